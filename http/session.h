// One connection of the admin listener: requests one after the other, keep-alive, bounded.
//
//   I/O thread: read a request ─► check access, find the route ─┐ 404, 405, 401, 403 at once
//   handler pool:                                               └► handler(request)
//   I/O thread: write the response ◄────────────────────────────── response
//
// Only the I/O thread touches the socket, so a session needs no lock; a handler sees nothing but
// its Request. A later streaming response (server-sent events) takes over the socket here instead
// of the write of one response. Kept alive by its pending operation.
#pragma once

#include <functional>
#include <memory>

#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http/message.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>

#include "http/access.h"
#include "http/server.h"

namespace sluice::http {

constexpr uint32_t kHeaderBytesMax = 8 * 1024;
constexpr uint64_t kBodyBytesMax = 64 * 1024;
constexpr int kIdleTimeoutS = 30;  // to send a whole request, or to take a whole response

// What a session needs of its server.
class Dispatcher {
 public:
  // Calls `done` exactly once: at once with a refusal, or on a pool thread with the handler's word.
  virtual void dispatch(const Credentials& credentials, Request request,
                        std::function<void(Response)> done) = 0;
  virtual void session_ended() = 0;

 protected:
  ~Dispatcher() = default;
};

class Session : public std::enable_shared_from_this<Session> {
 public:
  Session(boost::asio::ip::tcp::socket socket, Dispatcher& dispatcher)
      : stream_(std::move(socket)), dispatcher_(dispatcher) {}
  ~Session() { dispatcher_.session_ended(); }

  void start() { read(); }

 private:
  void read();
  void on_read(boost::beast::error_code failure);
  void respond(Response response);
  void on_written(bool keep_alive, boost::beast::error_code failure);

  boost::beast::tcp_stream stream_;
  Dispatcher& dispatcher_;
  boost::beast::flat_buffer buffer_{kHeaderBytesMax + kBodyBytesMax};
  // One request: a parser cannot be used twice.
  std::optional<boost::beast::http::request_parser<boost::beast::http::string_body>> parser_;
  boost::beast::http::response<boost::beast::http::string_body> response_;
  bool keep_alive_ = false;
};

// {"error": message} with that status.
Response error_response(int status, std::string_view message);

}  // namespace sluice::http
