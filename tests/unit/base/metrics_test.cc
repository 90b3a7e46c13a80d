// Metrics and their text form.
#include "base/metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <thread>
#include <vector>

namespace sluice::base {
namespace {

using testing::HasSubstr;

TEST(MetricsTest, EveryNameHasHelpAndTypeOnceHoweverManyLabelSets) {
  Registry registry;
  registry.counter("sluice_a_total", "Help of a.", "result=\"yes\"").add(3);
  registry.counter("sluice_a_total", "Help of a.", "result=\"no\"").add();
  registry.gauge("sluice_b", "Help of b.").set(-7);
  registry.computed("sluice_c", "Help of c.", [] { return 0.25; });
  registry.computed("sluice_d_total", "Help of d.", [] { return 12.0; }, true);
  EXPECT_EQ(registry.render(),
            "# HELP sluice_a_total Help of a.\n"
            "# TYPE sluice_a_total counter\n"
            "sluice_a_total{result=\"yes\"} 3\n"
            "sluice_a_total{result=\"no\"} 1\n"
            "# HELP sluice_b Help of b.\n"
            "# TYPE sluice_b gauge\n"
            "sluice_b -7\n"
            "# HELP sluice_c Help of c.\n"
            "# TYPE sluice_c gauge\n"
            "sluice_c 0.25\n"
            "# HELP sluice_d_total Help of d.\n"
            "# TYPE sluice_d_total counter\n"
            "sluice_d_total 12\n");
}

TEST(MetricsTest, TheSamplesOfOneNameStayTogetherWheneverTheyWereRegistered) {
  Registry registry;
  registry.counter("sluice_a_total", "Help of a.", "result=\"yes\"");
  registry.gauge("sluice_b", "Help of b.");
  registry.counter("sluice_a_total", "Help of a.", "result=\"no\"");
  EXPECT_EQ(registry.render(),
            "# HELP sluice_a_total Help of a.\n"
            "# TYPE sluice_a_total counter\n"
            "sluice_a_total{result=\"yes\"} 0\n"
            "sluice_a_total{result=\"no\"} 0\n"
            "# HELP sluice_b Help of b.\n"
            "# TYPE sluice_b gauge\n"
            "sluice_b 0\n");
}

TEST(MetricsTest, LargeCountsAreExact) {
  Registry registry;
  registry.counter("sluice_a_total", "a").add(123456789012345);
  EXPECT_THAT(registry.render(), HasSubstr("sluice_a_total 123456789012345\n"));
}

TEST(MetricsTest, HistogramBucketsAreCumulativeAndInclusive) {
  Registry registry;
  Histogram& seconds = registry.histogram("sluice_x_seconds", "x", 1e-6);
  for (const uint64_t value : {0, 1, 2, 3, 4, 5}) seconds.observe(value);
  seconds.observe(uint64_t{1} << 25);
  seconds.observe((uint64_t{1} << 25) + 1);
  EXPECT_EQ(seconds.bucket(0), 2u);
  EXPECT_EQ(seconds.bucket(1), 1u);
  EXPECT_EQ(seconds.bucket(2), 2u);
  EXPECT_EQ(seconds.bucket(3), 1u);
  EXPECT_EQ(seconds.bucket(25), 1u);
  EXPECT_EQ(seconds.bucket(26), 1u);
  const std::string text = registry.render();
  EXPECT_THAT(text, HasSubstr("# TYPE sluice_x_seconds histogram\n"));
  EXPECT_THAT(text, HasSubstr("sluice_x_seconds_bucket{le=\"1e-06\"} 2\n"));
  EXPECT_THAT(text, HasSubstr("sluice_x_seconds_bucket{le=\"4e-06\"} 5\n"));
  EXPECT_THAT(text, HasSubstr("sluice_x_seconds_bucket{le=\"33.554432\"} 7\n"));
  EXPECT_THAT(text, HasSubstr("sluice_x_seconds_bucket{le=\"+Inf\"} 8\n"));
  EXPECT_THAT(text, HasSubstr("sluice_x_seconds_count 8\n"));
}

TEST(MetricsTest, QuantilesAreUpperBoundsOfTheirBucket) {
  Histogram histogram(1);
  EXPECT_EQ(histogram.quantile(0.5), 0u);
  for (int i = 0; i < 99; ++i) histogram.observe(100);
  histogram.observe(5000);
  EXPECT_EQ(histogram.quantile(0.0), 128u);
  EXPECT_EQ(histogram.quantile(0.5), 128u);
  EXPECT_EQ(histogram.quantile(0.99), 128u);
  EXPECT_EQ(histogram.quantile(1.0), 8192u);
}

TEST(MetricsTest, ATallyMovesWhatWasObservedOnce) {
  Histogram one_by_one(1), moved(1);
  HistogramTally tally;
  for (const uint64_t value : {0, 1, 2, 3, 100, 128, 129}) {
    one_by_one.observe(value);
    tally.observe(value);
  }
  one_by_one.observe(uint64_t{1} << 40);
  tally.observe(uint64_t{1} << 40);
  tally.move_to(moved);
  tally.move_to(moved);
  for (int i = 0; i <= Histogram::kBuckets; ++i) EXPECT_EQ(moved.bucket(i), one_by_one.bucket(i));
  EXPECT_EQ(moved.sum(), one_by_one.sum());
  EXPECT_EQ(moved.count(), 8u);
}

TEST(MetricsTest, UpdatesFromManyThreadsAreAllCounted) {
  Registry registry;
  Counter& counter = registry.counter("sluice_a_total", "a");
  Histogram& histogram = registry.histogram("sluice_b", "b", 1);
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (uint64_t i = 0; i < 10000; ++i) {
        counter.add();
        histogram.observe(i);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(counter.value(), 40000u);
  EXPECT_EQ(histogram.count(), 40000u);
  EXPECT_EQ(histogram.sum(), uint64_t{4} * 9999 * 10000 / 2);
}

}  // namespace
}  // namespace sluice::base
