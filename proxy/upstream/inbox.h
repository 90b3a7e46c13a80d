// What other threads want done on an I/O thread: purchases of an item that another thread's client
// bought, replies on their way back, commits that the journal has finished.
//
//   any thread ──push()──► lock-free queue ──one asio::post a burst──► the I/O thread runs all of it
#pragma once

#include <concurrentqueue.h>

#include <atomic>
#include <functional>

#include "proxy/upstream/io_thread.h"

namespace sluice::proxy::upstream {

class Inbox {
 public:
  using Work = std::function<void()>;

  explicit Inbox(IoThread& thread) : thread_(thread) {}

  // Any thread. Work of one pushing thread runs in the order in which it was pushed.
  void push(Work work) {
    queue_.enqueue(std::move(work));
    if (!signalled_.exchange(true)) boost::asio::post(thread_.context(), [this] { drain(); });
  }

 private:
  void drain() {
    // Cleared first: whoever pushes from here on signals again, so nothing stays behind.
    signalled_.store(false);
    Work work;
    while (queue_.try_dequeue(work)) work();
  }

  IoThread& thread_;
  moodycamel::ConcurrentQueue<Work> queue_;
  std::atomic<bool> signalled_{false};
};

}  // namespace sluice::proxy::upstream
