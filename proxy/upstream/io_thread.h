// One I/O thread: an io_context that only this thread runs, and the end of its turn.
//
// A turn is everything that one return of epoll made ready: sockets of clients and of Redis by way
// of the poller, all else (timers, work of other threads) as Asio has it. Work that gathers during
// a turn (a session's replies, an item's batch, an upstream's requests) registers a TurnTask and is
// run once when the turn ends: one write per client per turn, one script call per item per turn.
// Requests leave before replies, so that Redis works while clients are written to (4 us each).
#pragma once

#include <array>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <cstddef>
#include <cstdint>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "net/poller.h"

namespace sluice::proxy::upstream {

// What the end of a turn consists of, in this order.
enum class TurnPhase : uint8_t {
  kGather,    // makes requests of what has gathered
  kRequests,  // writes them to Redis
  kReplies,   // writes to clients
};

// Something to be done once at the end of the turn. Intrusive: registering allocates nothing.
class TurnTask {
 public:
  explicit TurnTask(TurnPhase phase = TurnPhase::kGather) : phase_(phase) {}
  virtual void turn_ended() = 0;

 protected:
  ~TurnTask() = default;

 private:
  friend class IoThread;
  const TurnPhase phase_;
  bool queued_ = false;
};

class IoThread {
 public:
  explicit IoThread(size_t index);

  size_t index() const { return index_; }
  boost::asio::io_context& context() { return context_; }
  net::Poller& poller() { return poller_; }

  // Monotonic; within a turn of the poller the time at which it began, which costs nothing.
  int64_t now_us() const { return poller_.in_turn() ? poller_.turn_us() : base::monotonic_us(); }

  // Runs `task` when the turn ends; once, however often it is registered. What is registered while
  // the turn ends is done in it too if its phase is still to come. A task must cancel itself
  // (forget) before it is destroyed. This thread only.
  void at_turn_end(TurnTask& task);
  void forget(TurnTask& task);

  void start();  // starts the thread
  void stop();   // lets run() return; any thread
  void join();

 private:
  void run_turn_tasks();
  void end_turn_later();

  const size_t index_;
  boost::asio::io_context context_;
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> guard_;
  net::Poller poller_;              // this thread only
  std::thread thread_;
  // This thread only.
  std::array<std::vector<TurnTask*>, 3> tasks_;  // by phase
  std::vector<TurnTask*> running_;
  bool posted_ = false;
  bool ending_ = false;  // run_turn_tasks() is under way
};

}  // namespace sluice::proxy::upstream
