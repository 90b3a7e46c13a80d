// Quantiles of what a histogram has observed of late, for people: those since the start say little
// about a bad minute.
//
// A histogram only counts up, so the last minute is the difference of two looks. It looks when it
// is read, so it must be read regularly, about once a second. Buckets are powers of two; within one
// the observations are taken to lie evenly.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <mutex>

#include "base/metrics.h"

namespace sluice::base {

// In the histogram's exposed unit (seconds); all 0 if `count` is.
struct Quantiles {
  uint64_t count = 0;
  double p50 = 0, p99 = 0, p999 = 0;
};

class RecentQuantiles {
 public:
  RecentQuantiles(const Histogram& histogram, int64_t window_us)
      : histogram_(histogram), window_us_(window_us) {}

  // Of the window that ends at `now_us`, monotonic. Any thread.
  Quantiles read(int64_t now_us);

 private:
  using Counts = std::array<uint64_t, Histogram::kBuckets + 1>;
  struct Look {
    int64_t at_us = 0;
    Counts counts{};
  };
  static constexpr size_t kLooksMax = 128;
  static constexpr int64_t kBetweenLooksUs = 500'000;

  static double quantile(const Counts& counts, uint64_t count, double q, double scale);

  const Histogram& histogram_;
  const int64_t window_us_;
  std::mutex mutex_;
  std::deque<Look> looks_;  // guarded by mutex_; oldest first, the first one at the window's edge
};

}  // namespace sluice::base
