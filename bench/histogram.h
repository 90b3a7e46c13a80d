// A latency histogram in the manner of HdrHistogram: log-linear buckets, fixed memory, no
// allocation while recording.
//
// Every power of two is divided into 128 equal buckets, so a recorded value is known to better
// than 1 % over the whole range. Source of the layout: http://hdrhistogram.org (sub-bucket counts).
// Not synchronised: one thread records, the same thread reads.
#pragma once

#include <array>
#include <cstdint>

namespace sluice::bench {

class LatencyHistogram {
 public:
  static constexpr int kSubBucketBits = 7;                      // 128 buckets a power of two
  static constexpr int64_t kValueMax = (int64_t{1} << 42) - 1;  // 73 minutes in nanoseconds

  // Values below 0 count as 0, values above kValueMax as kValueMax (max() still tells the truth).
  void record(int64_t value);
  void merge(const LatencyHistogram& other);
  void clear();

  uint64_t count() const { return count_; }
  int64_t max() const { return max_; }
  double mean() const { return count_ == 0 ? 0 : sum_ / static_cast<double>(count_); }
  // The smallest bucket bound that at least a fraction q (0 … 1) of the values does not exceed,
  // never above max(); 0 if there are none.
  int64_t quantile(double q) const;

 private:
  static constexpr int kSubBuckets = 1 << kSubBucketBits;
  static constexpr int kBuckets = (42 - kSubBucketBits) * kSubBuckets + kSubBuckets;

  static int bucket_of(int64_t value);
  static int64_t upper_bound_of(int bucket);

  std::array<uint64_t, kBuckets> buckets_{};
  uint64_t count_ = 0;
  int64_t max_ = 0;
  double sum_ = 0;
};

}  // namespace sluice::bench
