#include "bench/histogram.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <vector>

namespace sluice::bench {
namespace {

TEST(LatencyHistogram, OfNothingSaysZero) {
  const LatencyHistogram histogram;
  EXPECT_EQ(histogram.count(), 0u);
  EXPECT_EQ(histogram.quantile(0.99), 0);
  EXPECT_EQ(histogram.max(), 0);
}

TEST(LatencyHistogram, SmallValuesAreExact) {
  LatencyHistogram histogram;
  for (int64_t value = 1; value <= 200; ++value) histogram.record(value);
  EXPECT_EQ(histogram.quantile(0), 1);
  EXPECT_EQ(histogram.quantile(0.5), 100);
  EXPECT_EQ(histogram.quantile(0.99), 198);
  EXPECT_EQ(histogram.quantile(1), 200);
}

TEST(LatencyHistogram, QuantilesAreNeverBelowAndLessThanOnePercentAboveTheTruth) {
  const uint64_t seed = std::random_device()();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  std::uniform_real_distribution<double> exponent(0, 41.9);
  LatencyHistogram histogram;
  std::vector<int64_t> values;
  for (int i = 0; i < 20'000; ++i) {
    values.push_back(static_cast<int64_t>(std::exp2(exponent(random))));
    histogram.record(values.back());
  }
  std::sort(values.begin(), values.end());
  for (const double q : {0.001, 0.1, 0.5, 0.9, 0.99, 0.999, 1.0}) {
    const auto rank = static_cast<size_t>(std::ceil(q * static_cast<double>(values.size())));
    const int64_t truth = values[std::max<size_t>(rank, 1) - 1];
    EXPECT_GE(histogram.quantile(q), truth) << q;
    EXPECT_LE(static_cast<double>(histogram.quantile(q)), 1.01 * static_cast<double>(truth)) << q;
  }
}

TEST(LatencyHistogram, OneStallAmongManyIsTheMaximumNotTheMedian) {
  LatencyHistogram histogram;
  for (int i = 0; i < 999; ++i) histogram.record(100'000);
  histogram.record(2'000'000'000);
  EXPECT_LT(histogram.quantile(0.99), 101'000);
  EXPECT_EQ(histogram.quantile(0.9995), 2'000'000'000);
  EXPECT_EQ(histogram.max(), 2'000'000'000);
}

TEST(LatencyHistogram, ValuesOutsideTheRangeAreKeptAtItsEnds) {
  LatencyHistogram histogram;
  histogram.record(-5);
  EXPECT_EQ(histogram.max(), 0);
  histogram.record(LatencyHistogram::kValueMax);
  histogram.record(LatencyHistogram::kValueMax + 1);
  histogram.record(INT64_MAX);
  EXPECT_EQ(histogram.count(), 4u);
  EXPECT_EQ(histogram.quantile(1), INT64_MAX);
}

TEST(LatencyHistogram, MergedIsAsIfRecordedInOne) {
  LatencyHistogram one, other, both;
  for (int64_t value = 0; value < 100'000; value += 7) {
    (value % 2 == 0 ? one : other).record(value * value);
    both.record(value * value);
  }
  one.merge(other);
  EXPECT_EQ(one.count(), both.count());
  EXPECT_EQ(one.max(), both.max());
  for (const double q : {0.1, 0.5, 0.99}) EXPECT_EQ(one.quantile(q), both.quantile(q));
  one.clear();
  EXPECT_EQ(one.count(), 0u);
  EXPECT_EQ(one.quantile(0.5), 0);
}

}  // namespace
}  // namespace sluice::bench
