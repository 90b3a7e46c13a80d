// The sale's own connection to Redis: pipelined requests, parsed replies, in order.
//
// One per I/O thread, used by that thread only. It connects, authenticates, runs the owner's
// greeting, and reconnects for ever with a bounded back-off. Requests gather during a turn and go
// out in one write when it ends. When the connection is lost every outstanding handler is called
// with the error, then on_lost(); what became of those requests is not known here.
#pragma once

#include <hiredis/hiredis.h>

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <deque>
#include <functional>
#include <initializer_list>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "net/stream.h"
#include "proxy/upstream/endpoint.h"
#include "proxy/upstream/io_thread.h"

namespace sluice::proxy::upstream {

// A parsed reply; an error reply of Redis is a reply, not an Error.
class Reply {
 public:
  explicit Reply(redisReply* reply) : reply_(reply) {}

  bool is_error() const { return reply_->type == REDIS_REPLY_ERROR; }
  bool is_nil() const { return reply_->type == REDIS_REPLY_NIL; }
  // Of strings, statuses and errors; empty for everything else.
  std::string_view text() const;
  int64_t integer() const { return reply_->integer; }
  size_t size() const { return reply_->type == REDIS_REPLY_ARRAY ? reply_->elements : 0; }
  Reply at(size_t i) const { return Reply(reply_->element[i]); }

 private:
  redisReply* reply_;  // owned by the client, valid during the handler's call
};

class RedisClient final : public TurnTask, net::StreamEvents {
 public:
  // Called once a request: with the reply, or with kUnavailable if the connection was lost.
  using Handler = std::function<void(const Result<Reply>&)>;

  struct Events {
    std::function<void()> on_connected;         // authenticated; requests may be sent
    std::function<void(const Error&)> on_lost;  // also when a connect attempt failed
  };

  RedisClient(IoThread& thread, Endpoint endpoint);
  ~RedisClient();

  // Starts connecting. Events are called on the I/O thread.
  void start(Events events);
  // Closes for good; outstanding handlers get an error.
  void close();
  // Drops the connection and connects anew after the back-off (Redis is loading, or read-only).
  void reconnect(const Error& why);

  bool connected() const { return connected_; }
  const std::string& last_error() const { return last_error_; }
  const Endpoint& endpoint() const { return endpoint_; }

  // What the requests that wait for the socket take.
  size_t buffered_bytes() const { return out_.capacity(); }

  // Queues one command; only while connected().
  void call(std::initializer_list<std::string_view> args, Handler handler);
  void call(std::span<const std::string_view> args, Handler handler);

  void turn_ended() override;

 private:
  void connect();
  void secure();
  void greet();
  void stream_ready(bool read, bool write) override;
  void read();
  bool take_replies(size_t bytes);
  void write();
  void lost(const Error& why);
  void schedule_connect();
  void append(std::span<const std::string_view> args);
  void watch();

  IoThread& thread_;
  const Endpoint endpoint_;
  Events events_;
  net::Stream::Socket connecting_;
  net::Stream stream_;  // once connected
  boost::asio::ip::tcp::resolver resolver_;
  boost::asio::steady_timer timer_;     // connect attempts and the delay between them
  boost::asio::steady_timer watchdog_;  // replies that do not come
  std::unique_ptr<redisReader, void (*)(redisReader*)> reader_;
  std::vector<char> input_;
  std::string out_;        // requests, from sent_ on
  size_t sent_ = 0;
  std::deque<Handler> waiting_;
  std::string last_error_;
  int64_t delay_us_;
  int64_t progress_us_ = 0;  // when the connection last made progress while replies were due
  uint64_t generation_ = 0;  // of the connection: completions of an older one are ignored
  size_t attempt_ = 0;
  bool connected_ = false;
  bool closed_ = false;
};

}  // namespace sluice::proxy::upstream
