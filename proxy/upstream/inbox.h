// What other threads want done on an I/O thread: purchases of an item that another thread's client
// bought, replies on their way back, commits that the journal has finished.
//
//   any thread ──push()──► queue ──one asio::post a burst──► the I/O thread takes it whole, runs it
//
// How no wake-up is lost: push() puts its work into the queue, then sets signalled_, and posts a
// run() if it was not set. At its end run() resets signalled_, then looks whether the queue is
// empty. Both exchange, with acquire and release, so one comes first. If it is push(), run() reads
// what push() wrote, or what a later push() wrote over it, and so finds the work. If it is run(),
// push() finds false and posts. A plain store in run() would not do: the look may be done before
// others see the store.
//
// Lifetime: the thread is joined, and nobody pushes, before the inbox is destroyed. Work that has
// not run by then is destroyed and not run. What is bounded is who pushes: operations by
// limits.purchases_in_flight, commits by the journal's room, replay by its window.
#pragma once

#include <atomic>
#include <functional>
#include <vector>

#include "base/concurrent_queue.h"
#include "proxy/upstream/io_thread.h"

namespace sluice::proxy::upstream {

class Inbox {
 public:
  using Work = std::function<void()>;

  explicit Inbox(IoThread& thread) : thread_(thread) {}

  // Any thread, the inbox's own too. Work that one thread pushes runs in the order in which that
  // thread pushed it; work of two threads in any order, unless one was pushed by the other's run.
  void push(Work work);

 private:
  void wake();
  void run();

  IoThread& thread_;
  base::ConcurrentQueue<Work> queue_;
  std::atomic<bool> signalled_{false};  // a run() is posted or under way
  std::vector<Work> running_;           // the I/O thread only
};

}  // namespace sluice::proxy::upstream
