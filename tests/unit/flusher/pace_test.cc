#include "flusher/pace.h"

#include <gtest/gtest.h>

#include "tests/unit/flusher/seconds.h"

namespace sluice::flusher {
namespace {

constexpr int64_t kIntervalUs = 500'000;

class PaceTest : public testing::Test {
 protected:
  // One adjusting interval in which `rows` were committed, slow or not.
  void interval(Pace& pace, uint64_t rows, int64_t commit_us) {
    now_us += kIntervalUs;
    pace.committed(rows, commit_us, now_us);
  }
  int64_t now_us = 100 * kSecondUs;
  const PaceOptions latency{0, 100'000, 0};
};

TEST_F(PaceTest, WithoutTroubleThereIsNoLimit) {
  Pace pace(latency);
  for (int i = 0; i < 10; ++i) interval(pace, 50'000, 99'999);
  EXPECT_EQ(pace.rows_per_s(), 0);
  EXPECT_EQ(pace.take(1'000'000, now_us), 0);
  EXPECT_EQ(pace.take(1'000'000, now_us), 0);
}

TEST_F(PaceTest, FixedRateSpacesBatches) {
  Pace pace({1000, 0, 0});
  EXPECT_EQ(pace.take(500, now_us), 0);
  EXPECT_EQ(pace.take(500, now_us), kSecondUs / 2);
  EXPECT_EQ(pace.take(500, now_us + kSecondUs), 0);
  // Unused time is not saved up for a burst.
  EXPECT_EQ(pace.take(500, now_us + 100 * kSecondUs), 0);
  EXPECT_EQ(pace.take(500, now_us + 100 * kSecondUs), kSecondUs / 2);
}

TEST_F(PaceTest, SlowCommitsHalveTheRateAndHealthRaisesItStepByStep) {
  Pace pace(latency);
  interval(pace, 1, 1);
  interval(pace, 50'000, 1);  // 100,000/s
  interval(pace, 50'000, 100'001);
  EXPECT_EQ(pace.rows_per_s(), 50'000);
  interval(pace, 25'000, 200'000);
  EXPECT_EQ(pace.rows_per_s(), 25'000);
  interval(pace, 12'500, 1);
  EXPECT_EQ(pace.rows_per_s(), 30'000);  // + a twentieth of the best
  for (int i = 0; i < 100; ++i) interval(pace, 50'000, 1);
  EXPECT_EQ(pace.rows_per_s(), 0);  // limits nothing any more
}

TEST_F(PaceTest, RateNeverFallsToNothing) {
  Pace pace(latency);
  for (int i = 0; i < 100; ++i) interval(pace, 1000, kSecondUs);
  EXPECT_EQ(pace.rows_per_s(), 100);
}

TEST_F(PaceTest, BusyServerCountsAsTrouble) {
  Pace pace({0, 0, 64});
  interval(pace, 10'000, 1);
  interval(pace, 10'000, kSecondUs);  // latency is not watched
  EXPECT_EQ(pace.rows_per_s(), 0);
  pace.threads_running(64, now_us);
  interval(pace, 10'000, 1);
  EXPECT_EQ(pace.rows_per_s(), 0);
  pace.threads_running(65, now_us);
  interval(pace, 10'000, 1);
  EXPECT_EQ(pace.rows_per_s(), 10'000);
}

TEST_F(PaceTest, FixedRateCapsTheAdaptiveOne) {
  Pace pace({5000, 100'000, 0});
  interval(pace, 0, 1);
  interval(pace, 2500, kSecondUs);
  EXPECT_EQ(pace.rows_per_s(), 2500);
  for (int i = 0; i < 3; ++i) interval(pace, 2500, 1);
  EXPECT_LE(pace.rows_per_s(), 5000);
}

}  // namespace
}  // namespace sluice::flusher
