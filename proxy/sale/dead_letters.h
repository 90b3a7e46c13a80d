// The orders that MySQL refuses, as the flusher told last: they are drained, and yet no rows.
//
// Set by the flusher link's thread, asked by every owner thread for each order that it names.
#pragma once

#include <atomic>
#include <boost/unordered/unordered_flat_set.hpp>
#include <cstdint>
#include <mutex>

namespace sluice::proxy::sale {

class DeadLetters {
 public:
  using Ids = boost::unordered_flat_set<uint64_t>;

  void set(Ids ids) {
    const std::lock_guard lock(mutex_);
    ids_ = std::move(ids);
    count_.store(ids_.size(), std::memory_order_release);
  }
  size_t count() const { return count_.load(std::memory_order_acquire); }
  bool contains(uint64_t order_id) const {
    if (count() == 0) return false;
    const std::lock_guard lock(mutex_);
    return ids_.contains(order_id);
  }

 private:
  std::atomic<size_t> count_{0};
  mutable std::mutex mutex_;
  Ids ids_;  // guarded by mutex_
};

}  // namespace sluice::proxy::sale
