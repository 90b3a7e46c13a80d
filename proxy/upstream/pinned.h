// A connection to Redis that one session has to itself, for as long as state ties the two: a
// transaction, a blocking command, subscriptions, MONITOR, tracking; and the pool of those that
// are free.
//
// A connection goes back to the pool only when its state is known to be that of a fresh one (the
// session says so); otherwise it is closed. It does not reconnect: what it held is lost with it.
// This I/O thread only; the number of connections in all is shared by the threads.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "proxy/upstream/link.h"
#include "proxy/upstream/reply_receiver.h"

namespace sluice::proxy::upstream {

class Pinned final : LinkEvents {
 public:
  Pinned(IoThread& thread, const Endpoint& endpoint, std::string& scratch, const LinkSetup& setup);

  // Sends `commands` commands, each with one reply for the session that holds the connection.
  // With `same_run`, their replies may come in one slice with those of the forward() before.
  void forward(std::string_view bytes, size_t commands, bool same_run);
  // Sends a command whose one reply nobody sees.
  void forward_unseen(std::string_view bytes);
  // From now on every byte that Redis sends goes to the session as it is (replies = 0), and
  // forward() counts nothing.
  void start_relay();
  // The same for ever, whatever the bytes are: replication, or the debugger of scripts.
  void start_raw_relay() { relay_ = raw_ = true; }
  // Finds out whether Redis still takes the client for a subscriber, by a PING that it does not see
  // answered; then calls relay_ended(), and the two below tell. (A RESET answered ends it too.)
  void ask_whether_relay_ended();
  bool still_relaying() const { return relay_; }
  bool was_reset() const { return was_reset_; }
  bool relays_raw() const { return raw_; }
  // Calls `told` with what Redis calls this connection (0: not known) once it is up or has failed.
  void tell_redis_id(std::function<void(int64_t)> told);

  bool congested() const { return link_.congested(); }
  // What it takes for the sake of its session.
  size_t buffered_bytes() const { return link_.buffered_bytes() + push_.capacity(); }
  void wait_for_room() { room_wanted_ = true; }
  void pause_reading(bool paused) { link_.pause_reading(paused); }

 private:
  friend class PinnedPool;

  void link_ready() override;
  void link_bytes(std::string_view bytes) override;
  void link_closed(const std::string& reason) override;
  void link_has_room() override;
  std::string_view relay_bytes(std::string_view bytes);
  void judge_frame();
  void protocol_broken();
  bool take_push(std::string_view part, bool whole);
  bool reusable() const;

  const Endpoint& endpoint_;
  const LinkSetup setup_;
  Link link_;
  ReplyReceiver* receiver_ = nullptr;
  size_t unseen_ = 0;   // replies to drop, before
  size_t replies_ = 0;  // those outstanding, the sum of runs_
  std::deque<size_t> runs_;
  bool begun_ = false;  // the session has bytes of the reply that is arriving
  bool relay_ = false;
  bool raw_ = false;            // relay_, and the bytes need not be RESP
  bool asked_ = false;          // ask_whether_relay_ended() waits for its answer
  bool frame_passed_ = false;   // this frame is not the answer: it goes to the session as it comes
  bool was_reset_ = false;
  std::string question_;        // what it will repeat in its answer
  std::string frame_;           // the frame that is arriving while asked_
  bool room_wanted_ = false;
  bool was_up_ = false;
  std::vector<std::function<void(int64_t)>> wants_id_;
  std::string push_;  // the push that is arriving
  resp::ReplyScanner scanner_;
};

class PinnedPool final : TurnTask {
 public:
  static constexpr size_t kIdleMax = 64;
  static constexpr size_t kPushBytesMax = 64 * 1024 * 1024;

  // `in_use` counts the connections of all threads, which `limit` bounds. All outlive the pool.
  PinnedPool(IoThread& thread, const Endpoint& endpoint, std::string& scratch,
             std::atomic<int64_t>& open, const std::atomic<int64_t>& limit);
  ~PinnedPool();

  // kNoSpace: the limit is reached.
  Result<std::unique_ptr<Pinned>> acquire(int protocol, int64_t database, ReplyReceiver& receiver);
  // `clean`: no transaction, watch, subscription or other state is left on it, nor a reply to come.
  void give_back(std::unique_ptr<Pinned> pinned, bool clean);

 private:
  void bury(std::unique_ptr<Pinned> pinned);
  void turn_ended() override { dead_.clear(); }

  IoThread& thread_;
  const Endpoint& endpoint_;
  std::string& scratch_;
  std::atomic<int64_t>& open_;
  const std::atomic<int64_t>& limit_;
  std::vector<std::unique_ptr<Pinned>> idle_;
  // Closed, but perhaps still on the call stack until the turn ends.
  std::vector<std::unique_ptr<Pinned>> dead_;
};

}  // namespace sluice::proxy::upstream
