// What is known of an item that is sold out: enough to refuse a purchase without asking Redis.
//
//   owner thread: renew() with each answer of Redis that says "sold out", revoke() with others
//   every I/O thread: remaining_for(): refuse it here, or not
//
// A refusal is only given as Redis would give it: the buyer has no order (or he would get it again,
// or LIMIT), his quantity is within the limit and more than remains. It is given for no longer than
// a lease after the last answer was asked for, so that what others have done to the item meanwhile
// (another proxy, a hand, a failover) shows within that time; what came through this proxy shows at
// once (sold_out_keeper.h).
#pragma once

#include <atomic>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include "proxy/sale/buyer_filter.h"

namespace sluice::proxy::sale {

class SoldOut {
 public:
  // With what the tables need to find it.
  static size_t bytes_for(uint64_t buyers) { return BuyerFilter::bytes_for(buyers) + 1024; }

  // `budget`: bytes taken for all filters, given back with this one; outlives it.
  SoldOut(std::string item, int64_t limit, uint64_t buyers, std::atomic<size_t>& budget)
      : item_(std::move(item)),
        item_hash_(name_hash(item_)),
        limit_(limit),
        budget_(budget),
        buyers_(buyers),
        bytes_(bytes_for(buyers)) {}
  ~SoldOut() { budget_.fetch_sub(bytes_, std::memory_order_relaxed); }
  SoldOut(const SoldOut&) = delete;
  SoldOut& operator=(const SoldOut&) = delete;

  const std::string& item() const { return item_; }
  uint64_t item_hash() const { return item_hash_; }
  int64_t limit() const { return limit_; }
  BuyerFilter& buyers() { return buyers_; }

  // What remains, if that is the reason to refuse this purchase here; nothing if Redis is to be
  // asked. Any thread; times are monotonic.
  std::optional<int64_t> remaining_for(uint64_t user_hash, int64_t quantity, int64_t now_us) {
    const uint64_t state = state_.load(std::memory_order_acquire);
    const auto remaining = static_cast<int64_t>(state & kRemainingMax);
    const bool knows = now_us < static_cast<int64_t>(state >> kRemainingBits);
    const bool too_many = quantity > remaining && (limit_ == 0 || quantity <= limit_);
    if (!knows || !too_many || buyers_.may_have(user_hash) || is_to_ask(now_us)) return {};
    return remaining;
  }

  // Owner thread. Redis has said that `remaining` are left, and there is nothing else to know until
  // `until_us`; from `ask_us` on one purchase is let through now and then, so that all others need
  // not wait for its answer.
  void renew(int64_t remaining, int64_t ask_us, int64_t until_us) {
    if (remaining < 0 || remaining > static_cast<int64_t>(kRemainingMax)) return revoke();
    ask_every_us_.store(until_us - ask_us, std::memory_order_relaxed);
    ask_us_.store(ask_us, std::memory_order_relaxed);
    state_.store(
        static_cast<uint64_t>(until_us) << kRemainingBits | static_cast<uint64_t>(remaining),
        std::memory_order_release);
  }
  void revoke() { state_.store(0, std::memory_order_release); }

 private:
  // Both in one word, since they must be read together. 48 bits of microseconds are 8 years.
  static constexpr int kRemainingBits = 16;
  static constexpr uint64_t kRemainingMax = (uint64_t{1} << kRemainingBits) - 1;

  bool is_to_ask(int64_t now_us) {
    int64_t ask_us = ask_us_.load(std::memory_order_relaxed);
    if (now_us < ask_us) return false;
    const int64_t next_us = now_us + ask_every_us_.load(std::memory_order_relaxed);
    return ask_us_.compare_exchange_strong(ask_us, next_us, std::memory_order_relaxed);
  }

  const std::string item_;
  const uint64_t item_hash_;
  const int64_t limit_;  // 0: none
  std::atomic<size_t>& budget_;
  BuyerFilter buyers_;
  const size_t bytes_;
  std::atomic<uint64_t> state_{0};  // until when it holds, and what remains
  std::atomic<int64_t> ask_us_{0};
  std::atomic<int64_t> ask_every_us_{0};
};

}  // namespace sluice::proxy::sale
