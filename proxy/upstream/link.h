// One connection to Redis as bytes: connect, handshake, gather and flush, read.
//
// Pipe (shared by sessions) and Pinned (owned by one) are built on it; they know what the bytes
// mean. Requests gather in out() during a turn and leave in one write when it ends. Until the
// handshake is done they wait; nothing of a session's is sent over a connection whose AUTH, HELLO
// or SELECT failed.
//
// This I/O thread only. Callbacks come from the thread's event loop, never from inside a call.
#pragma once

#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "net/stream.h"
#include "proxy/upstream/endpoint.h"
#include "proxy/upstream/io_thread.h"
#include "resp/reply_scanner.h"

namespace sluice::proxy::upstream {

// The state that a connection is brought into before it is used.
struct LinkSetup {
  int protocol = 2;         // 2 or 3
  int64_t database = 0;     // SELECTed if not 0
  bool learn_id = false;
};

class LinkEvents {
 public:
  virtual void link_ready() = 0;
  // Bytes that Redis sent; valid during the call.
  virtual void link_bytes(std::string_view bytes) = 0;
  // The connection is gone, or could not be made; `reason` is for people.
  virtual void link_closed(const std::string& reason) = 0;
  // Less than half of Link::kUnsentMax waits again, after more than that did.
  virtual void link_has_room() {}

 protected:
  ~LinkEvents() = default;
};

class Link final : TurnTask, net::StreamEvents {
 public:
  static constexpr size_t kUnsentMax = 8 * 1024 * 1024;
  static constexpr size_t kReadBytes = 64 * 1024;

  // `scratch` (kReadBytes long) is shared by the links of the thread. All outlive the link.
  Link(IoThread& thread, const Endpoint& endpoint, std::string& scratch, LinkEvents& events);
  ~Link();
  Link(const Link&) = delete;
  Link& operator=(const Link&) = delete;

  void open(const LinkSetup& setup);
  // Silent: no callback follows, unsent bytes are dropped.
  void close();
  bool ready() const { return phase_ == Phase::kReady; }
  bool closed() const { return phase_ == Phase::kClosed; }

  // Append requests, then call flush_later().
  std::string& out() { return out_; }
  void flush_later() { thread_.at_turn_end(*this); }
  // More than kUnsentMax waits for the socket: those who can should stop appending.
  bool congested() const { return congested_; }
  // What the requests that wait for the socket take.
  size_t buffered_bytes() const { return out_.capacity(); }

  // While paused nothing is read, so Redis is held back by TCP.
  void pause_reading(bool paused);

  // What Redis calls this connection (CLIENT ID), if the setup asked for it; 0: not known.
  int64_t redis_id() const { return redis_id_; }

 private:
  enum class Phase { kClosed, kConnecting, kHandshake, kReady };
  // Outlives the link in the handlers under way; `link` is null once they must not call it.
  struct Attempt {
    Link* link;
    boost::asio::ip::tcp::resolver resolver;
    net::Stream::Socket socket;  // until it is connected
    boost::asio::steady_timer timer;
    std::vector<boost::asio::generic::stream_protocol::endpoint> addresses;
    size_t next_address = 0;
  };
  using AttemptPtr = std::shared_ptr<Attempt>;

  void resolve(AttemptPtr attempt);
  void connect_next(AttemptPtr attempt, std::string reason);
  void connected();
  void start_handshake();
  void handshake_bytes(std::string_view bytes);
  void handshake_reply(std::string_view reply);
  void stream_ready(bool read, bool write) override;
  void arm_read();
  void readable();
  void turn_ended() override { flush(); }
  void flush();
  void update_congestion();
  void fail(std::string reason);

  IoThread& thread_;
  const Endpoint& endpoint_;
  std::string& scratch_;
  LinkEvents& events_;
  LinkSetup setup_;
  Phase phase_ = Phase::kClosed;
  AttemptPtr attempt_;
  net::Stream stream_;  // once connected
  bool paused_ = false;
  bool congested_ = false;

  std::string out_;      // sessions' requests, from sent_ on
  size_t sent_ = 0;
  std::string greeting_; // the handshake's requests
  size_t greeting_sent_ = 0;
  size_t greeting_replies_ = 0;  // still to come
  bool greeting_ends_with_probe_ = false;  // a command that changes nothing
  std::string greeting_reply_;   // the one that is arriving
  resp::ReplyScanner greeting_scanner_;
  int64_t redis_id_ = 0;
};

}  // namespace sluice::proxy::upstream
