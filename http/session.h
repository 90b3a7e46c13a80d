// One connection of the admin listener: requests one after the other, keep-alive, bounded.
//
//   I/O thread: read a request ─► wait for a turn among all ─► check access, find the route
//                                                               │ 404, 405, 401, 403 at once
//   handler pool:                                               └► handler(request)
//   I/O thread: write the response ◄────────────────────────────── response
//          or: hand the socket over to the viewers of a stream ◄── its first event
//
// Only the I/O thread touches the socket, so a session needs no lock; a handler sees nothing but
// its Request. While it waits for its client, to send a request or to take a response, it is idle
// and may be closed for another (idle(), busy()). Kept alive by its pending operation.
#pragma once

#include <chrono>
#include <functional>
#include <list>
#include <memory>
#include <optional>

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http/message.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>

#include "http/access.h"
#include "http/pace.h"
#include "http/server.h"
#include "http/viewers.h"

namespace sluice::http {

constexpr uint32_t kHeaderBytesMax = 8 * 1024;
constexpr uint64_t kBodyBytesMax = 64 * 1024;
constexpr int kIdleTimeoutS = 30;  // to send a whole request, or to take a whole response
// Of one connection: so many requests at once, and then one each time this has passed.
constexpr int kRequestsAtOnce = 50;
constexpr auto kRequestInterval = std::chrono::milliseconds(50);

class Session;

// What becomes of a request: a response; or, with `viewers`, the beginning of a stream.
struct Outcome {
  Response response;
  Viewers* viewers = nullptr;
};

// What a session needs of its server.
class Dispatcher {
 public:
  using Idle = std::list<Session*>;

  // Calls `done` exactly once: at once with a refusal, or on a pool thread with the handler's word.
  virtual void dispatch(const Credentials& credentials, Request request,
                        std::function<void(Outcome)> done) = 0;
  // The session waits for its client from now on, until busy(): close() may be called meanwhile.
  virtual Idle::iterator idle(Session& session) = 0;
  // A request is there: how long it has to wait for its turn among those of all connections.
  virtual Pace::Clock::duration take_turn() = 0;
  // More want to connect than there is room for, so who has been answered makes room.
  virtual bool is_crowded() const = 0;
  virtual void busy(Idle::iterator place) = 0;
  virtual void session_ended() = 0;

 protected:
  ~Dispatcher() = default;
};

class Session : public std::enable_shared_from_this<Session> {
 public:
  Session(boost::asio::ip::tcp::socket socket, Dispatcher& dispatcher)
      : stream_(std::move(socket)), dispatcher_(dispatcher), pause_(stream_.get_executor()) {}
  ~Session() { dispatcher_.session_ended(); }

  void start() { read(); }
  // Of an idle one: room is needed.
  void close() { stream_.close(); }

 private:
  void read();
  void after(Pace::Clock::duration wait, void (Session::*step)());
  void on_read(boost::beast::error_code failure);
  void answer();
  void respond(Response response);
  void take(Outcome outcome);
  void on_written(bool keep_alive, boost::beast::error_code failure);

  boost::beast::tcp_stream stream_;
  Dispatcher& dispatcher_;
  boost::beast::flat_buffer buffer_{kHeaderBytesMax + kBodyBytesMax};
  // One request: a parser cannot be used twice.
  std::optional<boost::beast::http::request_parser<boost::beast::http::string_body>> parser_;
  boost::beast::http::response<boost::beast::http::string_body> response_;
  boost::asio::steady_timer pause_;
  Dispatcher::Idle::iterator idle_;
  Pace pace_{kRequestsAtOnce, kRequestInterval};
  bool keep_alive_ = false;
};

// {"error": message} with that status.
Response error_response(int status, std::string_view message);

}  // namespace sluice::http
