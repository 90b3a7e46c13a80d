// The connection to Redis that all sessions of one I/O thread share, for one protocol version and
// database: requests go out verbatim in the order of forward(), replies come back in that order.
//
//   sessions ─ forward(run of commands) ─► out buffer ─(turn end)─► Redis
//   sessions ◄─ reply_bytes ─ FIFO of (who, how many replies) ◄─ scanner ◄─ Redis
//
// Only commands that answer with exactly one reply and leave no state on the connection may come
// here; front/command_table decides that. A reply that nobody waits for means that the two ends
// disagree about the count: the connection is dropped rather than a reply handed to a stranger.
//
// Reconnects by itself for ever, with bounded doubling delays. While it is down forward() refuses
// at once; before the first attempt has ended, requests wait. This I/O thread only.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <string>
#include <string_view>
#include <utility>

#include "proxy/upstream/link.h"
#include "proxy/upstream/reply_receiver.h"

namespace sluice::proxy::upstream {

class Pipe final : LinkEvents {
 public:
  Pipe(IoThread& thread, const Endpoint& endpoint, std::string& scratch, const LinkSetup& setup);
  ~Pipe();

  void open();
  // Called whenever a connection that was in use is lost. To be set before open().
  void on_lost(std::function<void()> lost) { on_lost_ = std::move(lost); }
  // Called whenever the connection has come up. To be set before open().
  void on_ready(std::function<void()> ready) { ready_ = std::move(ready); }

  // Sends `commands` commands. With `same_run`, they continue the receiver's last forward(), so
  // that their replies may come in one slice with the earlier ones'. False: Redis cannot be
  // reached, nothing was sent; down_error() says why.
  bool forward(std::string_view bytes, size_t commands, ReplyReceiver& receiver, bool same_run);
  // The receiver has gone: its replies are read and dropped.
  void abandon(const ReplyReceiver& receiver);

  // Rises whenever another receiver than the one before sends something: who sees it rise is not
  // alone.
  uint64_t handovers() const { return handovers_; }

  bool congested() const { return link_.congested(); }
  // Calls upstream_has_room() once when congested() has ended.
  void wait_for_room(ReplyReceiver& receiver) { waiting_.push_back(&receiver); }

  bool down() const { return down_; }
  const std::string& down_error() const { return down_error_; }

 private:
  struct Waiter {
    ReplyReceiver* receiver;  // null: abandoned
    size_t replies;
  };

  static void forget(std::deque<Waiter>& waiters, const ReplyReceiver& receiver);
  void link_ready() override;
  void link_bytes(std::string_view bytes) override;
  void link_closed(const std::string& reason) override;
  void link_has_room() override;
  void reconnect_later();

  const Endpoint& endpoint_;
  const LinkSetup setup_;
  Link link_;
  boost::asio::steady_timer timer_;
  int64_t delay_us_;
  std::function<void()> on_lost_;
  std::function<void()> ready_;
  bool down_ = false;        // the last attempt failed, or the connection was lost
  std::string down_error_;   // a RESP error line
  bool was_up_ = false;      // the connection lost was in use
  std::deque<Waiter> fifo_;
  const ReplyReceiver* last_sender_ = nullptr;  // to be compared only
  uint64_t handovers_ = 0;
  std::deque<Waiter>* lost_ = nullptr;  // while its waiters are being told
  std::vector<ReplyReceiver*> waiting_;
  resp::ReplyScanner scanner_;
};

}  // namespace sluice::proxy::upstream
