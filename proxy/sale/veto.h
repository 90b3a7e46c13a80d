// Why nothing may be sold although Redis and the journal agree: a flusher refuses the folder, since
// MySQL knows another history of this journal, or the proxy.id as another's. What would be sold now
// could not be drained as it was told.
//
// Set by the flusher link's thread, asked by every owner thread for each operation.
#pragma once

#include <atomic>
#include <mutex>
#include <string>

namespace sluice::proxy::sale {

class Veto {
 public:
  // "": there is none any more.
  void set(const std::string& why) {
    const std::lock_guard lock(mutex_);
    why_ = why;
    stands_.store(!why.empty(), std::memory_order_relaxed);
  }
  bool stands() const { return stands_.load(std::memory_order_relaxed); }
  std::string why() const {
    const std::lock_guard lock(mutex_);
    return why_;
  }

 private:
  std::atomic<bool> stands_{false};
  mutable std::mutex mutex_;
  std::string why_;  // guarded by mutex_
};

}  // namespace sluice::proxy::sale
