#include "bench/histogram.h"

#include <algorithm>
#include <bit>
#include <cmath>

namespace sluice::bench {

// Values below 2 × kSubBuckets are their own bucket. Above, `shift` low bits are dropped so that
// what remains lies in [kSubBuckets, 2 × kSubBuckets): each shift owns kSubBuckets buckets.
int LatencyHistogram::bucket_of(int64_t value) {
  const auto bits = static_cast<uint64_t>(value);
  const int shift = std::max(0, static_cast<int>(std::bit_width(bits)) - (kSubBucketBits + 1));
  return shift * kSubBuckets + static_cast<int>(bits >> shift);
}

int64_t LatencyHistogram::upper_bound_of(int bucket) {
  if (bucket < 2 * kSubBuckets) return bucket;
  const int shift = bucket / kSubBuckets - 1;
  const int64_t head = bucket - int64_t{shift} * kSubBuckets;
  return ((head + 1) << shift) - 1;
}

void LatencyHistogram::record(int64_t value) {
  value = std::max<int64_t>(value, 0);
  max_ = std::max(max_, value);
  sum_ += static_cast<double>(value);
  ++count_;
  ++buckets_[static_cast<size_t>(bucket_of(std::min(value, kValueMax)))];
}

void LatencyHistogram::merge(const LatencyHistogram& other) {
  if (other.count_ == 0) return;
  for (size_t i = 0; i < buckets_.size(); ++i) buckets_[i] += other.buckets_[i];
  count_ += other.count_;
  max_ = std::max(max_, other.max_);
  sum_ += other.sum_;
}

void LatencyHistogram::clear() { *this = LatencyHistogram(); }

int64_t LatencyHistogram::quantile(double q) const {
  if (count_ == 0) return 0;
  const double wanted = std::ceil(std::clamp(q, 0.0, 1.0) * static_cast<double>(count_));
  const uint64_t rank = std::max<uint64_t>(1, static_cast<uint64_t>(wanted));
  uint64_t seen = 0;
  for (size_t i = 0; i < buckets_.size(); ++i) {
    seen += buckets_[i];
    // The last bucket also holds what lay beyond the range: only max() knows how far.
    if (seen >= rank) {
      const bool last = i + 1 == buckets_.size();
      return last ? max_ : std::min(max_, upper_bound_of(static_cast<int>(i)));
    }
  }
  return max_;
}

}  // namespace sluice::bench
