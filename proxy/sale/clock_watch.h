// Whether this machine's clock can be sold by: order ids and the times of records come from it.
//
// An id holds 41 bits of milliseconds since 2024; outside of these, ids would repeat. A clock that
// is far before the newest record was set back, or the record's was ahead; one that is far from
// Redis's, or has moved by itself since the two agreed, is wrong, or Redis's is: ages, retention
// and windows would be wrong for as long. A day is borne: a clock that is kept in local time is off
// by hours, and ids only rise anyway. Any thread.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>

namespace sluice::proxy::sale {

class ClockWatch {
 public:
  static constexpr int64_t kOffMaxMs = 24 * 3'600'000;

  // A record has this time.
  void saw(int64_t time_ms) {
    int64_t newest = newest_ms_.load(std::memory_order_relaxed);
    while (newest < time_ms && !newest_ms_.compare_exchange_weak(newest, time_ms)) {
    }
  }
  // What Redis's clock says. "": they agree, and from here on this one is followed; else why not.
  std::string compare(int64_t now_ms, int64_t redis_ms);

  // Milliseconds since 1970 UTC, as the clock says now.
  bool is_good(int64_t now_ms) const {
    return is_in_range(now_ms) &&
           now_ms >= newest_ms_.load(std::memory_order_relaxed) - kOffMaxMs && !has_jumped(now_ms);
  }
  // Why it is not good, and what to do; for people. "": it is.
  std::string fault(int64_t now_ms) const;

 private:
  static constexpr int64_t kFirstMs = 1'704'067'200'000;  // 2024-01-01, before which no id can be
  // A day before the bits of an id end: ids may run ahead of the clock.
  static constexpr int64_t kEndMs = kFirstMs + (int64_t{1} << 41) - kOffMaxMs;

  static bool is_in_range(int64_t now_ms) { return now_ms >= kFirstMs && now_ms < kEndMs; }
  bool has_jumped(int64_t now_ms) const;

  std::atomic<int64_t> newest_ms_{0};
  // The wall clock less the monotonic one, when the clocks agreed last; 0: they never have.
  std::atomic<int64_t> ahead_ms_{0};
};

}  // namespace sluice::proxy::sale
