#include "base/recent_quantiles.h"

#include <gtest/gtest.h>

namespace sluice::base {
namespace {

constexpr int64_t kSecondUs = 1'000'000;

TEST(RecentQuantiles, TellTheWindowOnlyAndWithinABucketsBounds) {
  Histogram histogram(1e-6);
  RecentQuantiles recent(histogram, 10 * kSecondUs);
  EXPECT_EQ(recent.read(0).count, 0U);
  histogram.observe(100, 990);
  histogram.observe(5000, 10);
  const Quantiles first = recent.read(kSecondUs);
  EXPECT_EQ(first.count, 1000U);
  EXPECT_GT(first.p50, 64e-6);
  EXPECT_LE(first.p50, 128e-6);
  EXPECT_LE(first.p99, 128e-6);
  EXPECT_GT(first.p999, 4096e-6);
  EXPECT_LE(first.p999, 8192e-6);
  for (int i = 2; i <= 10; ++i) EXPECT_EQ(recent.read(i * kSecondUs).count, 1000U) << i;
  // What was observed between 0 s and 1 s has left the window.
  EXPECT_EQ(recent.read(11 * kSecondUs).count, 0U);
  histogram.observe(1);
  EXPECT_EQ(recent.read(12 * kSecondUs).count, 1U);
}

TEST(RecentQuantiles, AreReadInAnyRhythmInBoundedMemory) {
  Histogram histogram(1);
  RecentQuantiles recent(histogram, 10 * kSecondUs);
  for (int64_t now = 0; now < 100 * kSecondUs; now += 10'000) {
    histogram.observe(3);
    EXPECT_LE(recent.read(now).count, 1'200U);
  }
  EXPECT_GE(recent.read(100 * kSecondUs).count, 950U);
}

}  // namespace
}  // namespace sluice::base
