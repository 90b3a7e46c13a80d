#include "flusher/pace.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

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

TEST_F(PaceTest, AfterALongTroubleTheRateDoublesUntilItIsNearWhereItBegan) {
  Pace pace(latency);
  interval(pace, 1, 1);
  interval(pace, 50'000, 1);         // 100,000/s
  interval(pace, 8'000, kSecondUs);  // suffers at 16,000/s
  for (uint64_t rows : {4'000, 2'000, 1'000, 500, 250, 125}) interval(pace, rows, kSecondUs);
  EXPECT_EQ(pace.rows_per_s(), 125);
  std::vector<int64_t> rates;
  for (int i = 0; i < 4; ++i) {
    interval(pace, 50, 1);
    rates.push_back(pace.rows_per_s());
  }
  // A twentieth of the best is more than double here; from 4,000/s on it is all there is.
  EXPECT_EQ(rates, (std::vector<int64_t>{5'125, 10'125, 15'125, 20'125}));

  Pace slow(latency);  // never well at more than 1,000/s
  interval(slow, 1, 1);
  interval(slow, 500, 1);
  interval(slow, 8'000, kSecondUs);
  for (uint64_t rows : {4'000, 2'000, 1'000, 500, 250, 125}) interval(slow, rows, kSecondUs);
  rates.clear();
  for (int i = 0; i < 7; ++i) {
    slow.take(1000, now_us);
    slow.take(1000, now_us);
    interval(slow, 50, 1);
    rates.push_back(slow.rows_per_s());
  }
  EXPECT_EQ(rates, (std::vector<int64_t>{250, 500, 1000, 2000, 4000, 4100, 4200}));
}

TEST_F(PaceTest, RateNeverFallsToNothing) {
  Pace pace(latency);
  for (int i = 0; i < 100; ++i) interval(pace, 1000, kSecondUs);
  EXPECT_EQ(pace.rows_per_s(), 100);
}

TEST_F(PaceTest, BusyServerCountsAsTrouble) {
  Pace pace({0, 0, 64, 16});
  interval(pace, 10'000, 1);
  interval(pace, 10'000, kSecondUs);  // latency is not watched
  EXPECT_EQ(pace.rows_per_s(), 0);
  pace.observe({64, 16}, true, now_us);
  interval(pace, 10'000, 1);
  EXPECT_EQ(pace.rows_per_s(), 0);
  pace.observe({65, 16}, true, now_us);
  interval(pace, 10'000, 1);
  EXPECT_EQ(pace.rows_per_s(), 10'000);
  pace.observe({64, 17}, true, now_us);
  interval(pace, 5'000, 1);
  EXPECT_EQ(pace.rows_per_s(), 5'000);
  pace.lock_wait_ended(now_us);
  interval(pace, 2'500, 1);
  EXPECT_EQ(pace.rows_per_s(), 2'500);
}

TEST_F(PaceTest, WhatAServerSuffersFromWhileNothingIsDrainedIsNotOurDoing) {
  Pace pace({0, 0, 64});
  interval(pace, 10'000, 1);
  for (int i = 0; i < 10; ++i) {
    now_us += kIntervalUs;
    pace.observe({65}, false, now_us);
  }
  EXPECT_EQ(pace.rows_per_s(), 0);
  EXPECT_EQ(pace.suffers({65}), "Threads_running is 65, pace.threads_running is 64");
  EXPECT_EQ(pace.suffers({64}), "");
}

TEST_F(PaceTest, ARunThatBeginsWhileTheServerSuffersBeginsSlowly) {
  Pace pace({0, 0, 64});
  pace.begin({64});
  EXPECT_EQ(pace.rows_per_s(), 0);
  pace.begin({65});
  EXPECT_EQ(pace.rows_per_s(), 100);
  interval(pace, 0, 1);
  interval(pace, 0, 1);  // what it began with counts until here
  // The limit is felt, so what is reached says nothing of what could be: it grows, doubling as long
  // as nothing was ever suffered from by our doing.
  for (int64_t limit = 100; limit < 10'000; limit *= 2) {
    EXPECT_EQ(pace.rows_per_s(), limit);
    const auto rows = static_cast<uint64_t>(limit / 8);  // a quarter of what might go
    for (int i = 0; i < 2; ++i) pace.take(rows, now_us);
    interval(pace, rows, 1);
  }
  // Once nobody waits for it, it is gone.
  for (int i = 0; i < 20; ++i) interval(pace, 100, 1);
  EXPECT_EQ(pace.rows_per_s(), 0);

  Pace idle({0, 0, 64});
  idle.begin({65});
  for (int i = 0; i < 100; ++i) interval(idle, 0, 1);
  EXPECT_EQ(idle.rows_per_s(), 0);
}

TEST_F(PaceTest, ReplicasThatFallBehindAreNamed) {
  PaceOptions options{0, 0, 0, 0, 10 * kSecondUs};
  Pace pace(options);
  const auto suffers = [&](const ReplicaState& replica) {
    return pace.suffers({0, 0, {{"a:3306", 0, ""}, replica}});
  };
  EXPECT_EQ(suffers({"b:3306", 10 * kSecondUs, ""}), "");
  EXPECT_EQ(suffers({"b:3306", 11 * kSecondUs, ""}),
            "replica b:3306 is 11 s behind, pace.replica_lag is 10s");
  EXPECT_EQ(suffers({"b:3306", std::nullopt, ""}), "replica b:3306 does not apply what it is sent");
  EXPECT_EQ(suffers({"b:3306", std::nullopt, "it is down"}), "");
  options.replica_lag_us = 0;
  pace.set_options(options);
  EXPECT_EQ(suffers({"b:3306", std::nullopt, ""}), "");
}

TEST_F(PaceTest, ALimitFarBelowABatchIsKeptSecondBySecond) {
  const auto rows_by_second = [&](int64_t limit, int64_t rows_min) {
    Pace pace({limit, 0, 0}, rows_min);
    std::vector<uint64_t> seconds(10);
    // Two writers with batches of 1000, of which each waits as it is told.
    int64_t free_us[2] = {0, 0};
    while (true) {
      int64_t& next_us = free_us[0] <= free_us[1] ? free_us[0] : free_us[1];
      if (next_us >= 10 * kSecondUs) return seconds;
      const uint64_t rows = std::min<size_t>(1000, pace.batch_rows());
      next_us += pace.take(rows, now_us + next_us);
      if (next_us < 10 * kSecondUs) seconds[static_cast<size_t>(next_us / kSecondUs)] += rows;
    }
  };
  for (const uint64_t rows : rows_by_second(100, 10)) EXPECT_EQ(rows, 100u);
  for (const uint64_t rows : rows_by_second(7, 10)) EXPECT_EQ(rows, 7u);
  for (const uint64_t rows : rows_by_second(5000, 10)) EXPECT_EQ(rows, 5000u);
  for (const uint64_t rows : rows_by_second(5000, 500)) EXPECT_EQ(rows, 5000u);
  EXPECT_EQ(Pace({100, 0, 0}, 10).batch_rows(), 10u);
  EXPECT_EQ(Pace({100, 0, 0}, 50).batch_rows(), 50u);
  EXPECT_EQ(Pace({100, 0, 0}, 500).batch_rows(), 100u);
  EXPECT_EQ(Pace({0, 0, 0}, 50).batch_rows(), SIZE_MAX);
  EXPECT_EQ(Pace({100'000, 0, 0}).statement_rows(), 100u);
  EXPECT_EQ(Pace({0, 0, 0}).statement_rows(), SIZE_MAX);
}

TEST_F(PaceTest, WhoIsHeldBackAndByWhatIsTold) {
  Pace fixed({1000, 0, 0});
  EXPECT_EQ(fixed.take(500, now_us), 0);
  EXPECT_EQ(fixed.held_by(now_us), "");
  EXPECT_EQ(fixed.take(500, now_us), kSecondUs / 2);
  EXPECT_EQ(fixed.held_by(now_us), "pace.rows_per_second is 1000");
  EXPECT_EQ(fixed.held_by(now_us + kSecondUs - 1), "pace.rows_per_second is 1000");
  EXPECT_EQ(fixed.held_by(now_us + kSecondUs), "");  // slower by itself

  Pace pace(latency);
  interval(pace, 1, 1);
  interval(pace, 1000, 812'000);
  pace.take(1000, now_us);
  pace.take(1000, now_us);
  EXPECT_EQ(pace.held_by(now_us),
            "a COMMIT took 812 ms, pace.commit_latency is 100ms; 1001 records/s may go");
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
