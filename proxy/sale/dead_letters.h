// The orders that MySQL refuses, as the flusher told last: they are drained, and yet no rows.
//
// Set by the flusher link's thread, asked by every owner thread for each order that it names.
#pragma once

#include <atomic>
#include <boost/unordered/unordered_flat_map.hpp>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace sluice::proxy::sale {

class DeadLetters {
 public:
  // Why it is refused: MySQL's error and its words.
  struct Letter {
    uint32_t code = 0;
    std::string text;
  };
  using Letters = boost::unordered_flat_map<uint64_t, Letter>;  // by order id

  void set(Letters letters) {
    const std::lock_guard lock(mutex_);
    letters_ = std::move(letters);
    count_.store(letters_.size(), std::memory_order_release);
  }
  size_t count() const { return count_.load(std::memory_order_acquire); }
  bool contains(uint64_t order_id) const {
    if (count() == 0) return false;
    const std::lock_guard lock(mutex_);
    return letters_.contains(order_id);
  }
  // Some of them, `most` at most.
  std::vector<std::pair<uint64_t, Letter>> some(size_t most) const {
    std::vector<std::pair<uint64_t, Letter>> found;
    const std::lock_guard lock(mutex_);
    for (const auto& [id, letter] : letters_) {
      if (found.size() == most) break;
      found.emplace_back(id, letter);
    }
    return found;
  }
  std::optional<Letter> find(uint64_t order_id) const {
    if (count() == 0) return std::nullopt;
    const std::lock_guard lock(mutex_);
    const auto found = letters_.find(order_id);
    return found == letters_.end() ? std::nullopt : std::optional(found->second);
  }

 private:
  std::atomic<size_t> count_{0};
  mutable std::mutex mutex_;
  Letters letters_;  // guarded by mutex_
};

}  // namespace sluice::proxy::sale
