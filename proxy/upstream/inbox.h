// What other threads want done on an I/O thread: purchases of an item that another thread's client
// bought, replies on their way back, commits that the journal has finished.
//
//   any thread ──push()──► list ──one asio::post a burst──► the I/O thread takes it whole, runs it
//
// A mutex around a vector, not a lock-free queue: the lock is held for a push_back or a swap, the
// reader takes a burst with one swap, and work runs in one order, whoever pushed it.
#pragma once

#include <functional>
#include <mutex>
#include <utility>
#include <vector>

#include "proxy/upstream/io_thread.h"

namespace sluice::proxy::upstream {

class Inbox {
 public:
  using Work = std::function<void()>;

  explicit Inbox(IoThread& thread) : thread_(thread) {}

  // Any thread. Work runs in the order in which it was pushed.
  void push(Work work) {
    {
      const std::lock_guard lock(mutex_);
      work_.push_back(std::move(work));
      if (std::exchange(signalled_, true)) return;
    }
    boost::asio::post(thread_.context(), [this] { run(); });
  }

 private:
  void run() {
    {
      const std::lock_guard lock(mutex_);
      running_.swap(work_);
      signalled_ = false;
    }
    for (Work& work : running_) std::exchange(work, nullptr)();
    running_.clear();
  }

  IoThread& thread_;
  std::mutex mutex_;
  std::vector<Work> work_;     // guarded by mutex_
  bool signalled_ = false;     // guarded by mutex_
  std::vector<Work> running_;  // the I/O thread only
};

}  // namespace sluice::proxy::upstream
