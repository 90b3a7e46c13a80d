// The admin listener of both daemons: routing, limits, bearer token, Host and Origin checks.
//
// main.cc adds routes before start(). One I/O thread owns the sockets; handlers run on a small
// pool, one request at a time a connection, and may block for as long as a person would wait (FLUSH
// does): a blocked POST never keeps a GET waiting. Limits: header 8 KiB, body 64 KiB, 30 s to send
// a request or to take a response, 64 connections (more wait in the listen queue), 7 POSTs at once.
// Who may ask for what: access.h.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/error.h"

namespace sluice::http {

struct Request {
  std::string method;  // "GET", "POST"
  std::string path;    // without query
  std::string query;   // after '?', undecoded; may be empty
  std::string body;    // at most 64 KiB
};

struct Response {
  int status = 200;
  std::string content_type = "application/json";
  std::string body;
};

using Handler = std::function<Response(const Request&)>;

struct ServerOptions {
  std::string address;     // "127.0.0.1:9480"; "" switches the listener off
  std::string token_file;  // "" : no token; then POST is allowed on a loopback listener only
  int inherited = -1;      // a socket that listens on `address` already; -1: one is to be made
};

// kInvalid: malformed address or unreadable token file. Tries nothing.
Status check(const ServerOptions& options);

class Server {
 public:
  // kInvalid: malformed address or unreadable token file; kUnavailable: the address is busy
  // (message says which, and which key to change).
  static Result<std::unique_ptr<Server>> create(const ServerOptions& options);
  virtual ~Server() = default;

  virtual void route(std::string_view method, std::string_view path, Handler handler) = 0;
  // Starts the threads. Unknown path 404, other method 405, missing token 401, foreign Host or
  // Origin 403, each with {"error": "..."} as body.
  virtual void start() = 0;
  // Closes the listener: another process may bind its address when this returns. Connections stay.
  virtual void stop_accepting() = 0;
  // Closes the listener and its connections, then waits for the handlers that still run.
  virtual void stop() = 0;
  // What the listener is bound to, also if the address asked for port 0; 0 without a listener.
  virtual unsigned short port() const = 0;
};

// One blocking request to an admin listener ("http://127.0.0.1:9480"): for SECKILL.FLUSH and tools.
Result<Response> fetch(std::string_view method, std::string_view base_url, std::string_view path,
                       std::string_view token, int64_t timeout_ms);

}  // namespace sluice::http
