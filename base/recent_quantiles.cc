#include "base/recent_quantiles.h"

#include <cmath>

namespace sluice::base {

double RecentQuantiles::quantile(const Counts& counts, uint64_t count, double q, double scale) {
  const double wanted = q * static_cast<double>(count);
  double below = 0;
  for (size_t i = 0; i < counts.size(); ++i) {
    const auto here = static_cast<double>(counts[i]);
    if (here > 0 && below + here >= wanted) {
      const double upper = std::ldexp(1.0, static_cast<int>(i)), lower = i == 0 ? 0 : upper / 2;
      return (lower + (upper - lower) * (wanted - below) / here) * scale;
    }
    below += here;
  }
  return 0;
}

Quantiles RecentQuantiles::read(int64_t now_us) {
  Counts counts{};
  for (size_t i = 0; i < counts.size(); ++i) counts[i] = histogram_.bucket(static_cast<int>(i));
  const std::lock_guard lock(mutex_);
  while (looks_.size() > 1 && looks_[1].at_us <= now_us - window_us_) looks_.pop_front();
  Counts recent = counts;
  Quantiles found;
  for (size_t i = 0; i < recent.size(); ++i) {
    if (!looks_.empty()) recent[i] -= looks_.front().counts[i];
    found.count += recent[i];
  }
  if (looks_.empty() || now_us - looks_.back().at_us >= kBetweenLooksUs) {
    looks_.push_back({now_us, counts});
    if (looks_.size() > kLooksMax) looks_.pop_front();
  }
  if (found.count == 0) return found;
  found.p50 = quantile(recent, found.count, 0.5, histogram_.scale());
  found.p99 = quantile(recent, found.count, 0.99, histogram_.scale());
  found.p999 = quantile(recent, found.count, 0.999, histogram_.scale());
  return found;
}

}  // namespace sluice::base
