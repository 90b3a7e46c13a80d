// The admin listener of both daemons: routing, limits, bearer token, Host and Origin checks.
//
// main.cc adds routes before start(). One I/O thread owns the sockets; handlers run on a small
// pool, one request at a time a connection, and may block for as long as a person would wait (FLUSH
// does): a blocked POST never keeps a GET waiting. Who may ask for what: access.h.
//
// Limits: header 8 KiB, body 64 KiB, 30 s to send a request or to take a response, 7 POSTs at once.
// 64 connections: when one more comes, the one that waits for its client for longest is closed, so
// nobody is locked out by connections that say nothing, or take no response; while all are busy,
// one that has been answered is closed. A connection may send 50 requests at once and 20 a second
// after that, and all of them together requests_per_second, however often a client connects anew:
// more of them wait, so that nobody takes the processor away from a sale. 1,000 connections a
// second are accepted. Those that follow an event stream are counted apart, and each has ten
// seconds to take an event.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/secret.h"

namespace sluice::http {

struct Request {
  std::string method;  // "GET", "POST"
  std::string path;    // without query
  std::string query;   // after '?', undecoded; may be empty
  std::string body;    // at most 64 KiB
  std::string if_none_match;  // the header; may be empty
};

struct Response {
  int status = 200;
  std::string content_type = "application/json";
  std::string body;
  // Besides Content-Type, Content-Length, Cache-Control: no-store (unless it is here) and
  // X-Content-Type-Options.
  std::vector<std::pair<std::string, std::string>> headers = {};
};

using Handler = std::function<Response(const Request&)>;

struct ServerOptions {
  std::string address;     // "127.0.0.1:9480"; "" switches the listener off
  // admin.token_file; null: no token, and POST is allowed on a loopback listener only.
  std::shared_ptr<base::Secret> token = nullptr;
  // Of all connections; a second's worth may come at once, more of them wait. 0: no bound.
  int requests_per_second = 0;
  int inherited = -1;  // a socket that listens on `address` already; -1: one is to be made
};

// kInvalid: malformed address. Tries nothing.
Status check(const ServerOptions& options);

// Server-sent events (text/event-stream): what is published goes to all that follow. One text for
// all of them; who has not taken the last event yet gets the newest after it, or is dropped after a
// while.
class EventStream {
 public:
  virtual ~EventStream() = default;

  // How many follow. Any thread.
  virtual size_t viewers() const = 0;
  // `data` is one line. Any thread; returns at once.
  virtual void publish(const std::string& data) = 0;
};

class Server {
 public:
  // kInvalid: malformed address; kUnavailable: the address is busy
  // (message says which, and which key to change).
  static Result<std::unique_ptr<Server>> create(const ServerOptions& options);
  virtual ~Server() = default;

  virtual void route(std::string_view method, std::string_view path, Handler handler) = 0;
  // GET `path` follows the stream; 503 beyond `viewers_max`. A newcomer gets `first()` at once: one
  // line, made on a pool thread. The stream lives as long as the server.
  virtual EventStream& stream(std::string_view path, size_t viewers_max,
                              std::function<std::string()> first) = 0;
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
