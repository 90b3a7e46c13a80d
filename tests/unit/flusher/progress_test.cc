#include "flusher/progress.h"

#include <gtest/gtest.h>

#include "tests/unit/flusher/seconds.h"

namespace sluice::flusher {
namespace {

class ProgressTest : public testing::Test {
 protected:
  // Time goes on by `us`; what the flusher is then called.
  State after(int64_t us) {
    now.now_us += us;
    verdict = progress.judge(now);
    return verdict.state;
  }
  void begin_run() {
    now.run = "max_age";
    now.backlog_rows = 100;
    EXPECT_EQ(after(1), State::kDraining);
  }

  Progress progress;
  Situation now{.now_us = 1000 * kSecondUs, .position = 1, .hold_reason = "no trigger fires"};
  Verdict verdict;
};

TEST_F(ProgressTest, WithoutARunItIsIdleOrHolds) {
  EXPECT_EQ(after(1), State::kIdle);
  EXPECT_EQ(after(3600 * kSecondUs), State::kIdle);
  now.backlog_rows = 1;
  EXPECT_EQ(after(1), State::kHolding);
  EXPECT_EQ(verdict.reason, "no trigger fires");
  EXPECT_EQ(after(3600 * kSecondUs), State::kHolding);
}

TEST_F(ProgressTest, ARunThatMovesIsDrainingHoweverOftenItTriesAgain) {
  begin_run();
  now.trouble = "MySQL error 1213: Deadlock found";
  for (int i = 0; i < 100; ++i) {
    ++now.position;
    EXPECT_EQ(after(kSecondUs), State::kDraining);
  }
  EXPECT_EQ(verdict.reason, "trigger: max_age; tries again: MySQL error 1213: Deadlock found");
  EXPECT_EQ(after(kSecondUs / 2 - 1), State::kDraining);
  EXPECT_EQ(after(1), State::kBlocked);
  EXPECT_EQ(verdict.reason, now.trouble);
  ++now.position;
  EXPECT_EQ(after(1), State::kDraining);
}

TEST_F(ProgressTest, WhatFailsWhileNothingIsDrainedBlocksAtOnce) {
  now.trouble = "cannot connect";
  EXPECT_EQ(after(1), State::kBlocked);
}

TEST_F(ProgressTest, ARunThatStandsStillWithoutAnErrorIsBlocked) {
  begin_run();
  EXPECT_EQ(after(10 * kSecondUs - 1), State::kDraining);
  EXPECT_EQ(after(1), State::kBlocked);
  EXPECT_NE(verdict.reason.find("committed nothing for 10 s"), std::string::npos);
  ++now.position;
  EXPECT_EQ(after(1), State::kDraining);
}

TEST_F(ProgressTest, ARunThatIsHeldBackIsPacedAndNeverBlocked) {
  begin_run();
  now.held_by = "pace.rows_per_second is 1";
  EXPECT_EQ(after(60 * kSecondUs), State::kPaced);
  EXPECT_EQ(verdict.reason, "trigger: max_age; held back: pace.rows_per_second is 1");
  now.held_by.clear();  // its turn has come
  EXPECT_EQ(after(9 * kSecondUs), State::kDraining);
}

TEST_F(ProgressTest, APauseIsSaidFirst) {
  begin_run();
  now.is_paused = true;
  now.trouble = "cannot connect";
  EXPECT_EQ(after(60 * kSecondUs), State::kPaused);
}

}  // namespace
}  // namespace sluice::flusher
