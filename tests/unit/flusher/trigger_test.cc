#include "flusher/trigger.h"

#include <gtest/gtest.h>

#include "tests/unit/flusher/seconds.h"

namespace sluice::flusher {
namespace {

// Everything off; each test switches one trigger on.
TriggerOptions off() {
  TriggerOptions options;
  options.load_below_per_s = 0;
  options.backlog_bytes = 0;
  options.max_age_us = 0;
  return options;
}

class TriggerTest : public testing::Test {
 protected:
  // Time goes on by `us`, `written` more records come, and nothing is drained.
  void pass(int64_t us, uint64_t written = 0) {
    now.now_us += us;
    now.last_sequence += written;
    now.backlog_rows += written;
    trigger.observe(now);
  }
  std::optional<Cause> wanted() const { return trigger.wants_drain(now); }
  void use(const TriggerOptions& options) { trigger = Trigger(options); }

  Trigger trigger{off()};
  Observation now{.now_us = 1000 * kSecondUs};
};

TEST_F(TriggerTest, AllOffHoldsForEver) {
  now.backlog_bytes = INT64_MAX;
  now.oldest_age_us = INT64_MAX;
  for (int i = 0; i < 100; ++i) pass(kSecondUs, 1'000'000);
  EXPECT_EQ(wanted(), std::nullopt);
}

TEST_F(TriggerTest, ThresholdsFireWhenReached) {
  TriggerOptions options = off();
  options.backlog_rows = 10;
  use(options);
  pass(1, 9);
  EXPECT_EQ(wanted(), std::nullopt);
  pass(1, 1);
  EXPECT_EQ(wanted(), Cause::kRows);

  options = off();
  options.backlog_bytes = 100;
  use(options);
  now.backlog_bytes = 99;
  EXPECT_EQ(wanted(), std::nullopt);
  now.backlog_bytes = 100;
  EXPECT_EQ(wanted(), Cause::kBytes);

  options = off();
  options.max_age_us = 60 * kSecondUs;
  use(options);
  now.oldest_age_us = 60 * kSecondUs - 1;
  EXPECT_EQ(wanted(), std::nullopt);
  now.oldest_age_us = 60 * kSecondUs;
  EXPECT_EQ(wanted(), Cause::kAge);
}

TEST_F(TriggerTest, NothingFiresWithoutBacklog) {
  TriggerOptions options = off();
  options.load_below_per_s = 500;
  options.schedule = *Schedule::parse({"00:00-24:00", "* * * * *"});
  use(options);
  for (int i = 0; i < 10; ++i) pass(kSecondUs);
  EXPECT_EQ(wanted(), std::nullopt);
}

TEST_F(TriggerTest, LowLoadMustLast) {
  TriggerOptions options = off();
  options.load_below_per_s = 500;
  options.load_for_us = 2 * kSecondUs;
  use(options);
  pass(kSecondUs);
  for (int i = 0; i < 10; ++i) pass(kSecondUs, 501);
  EXPECT_EQ(wanted(), std::nullopt);
  EXPECT_EQ(trigger.load_per_s(), 501);
  pass(kSecondUs, 500);  // not below
  pass(kSecondUs, 499);
  EXPECT_EQ(wanted(), std::nullopt);
  pass(kSecondUs, 499);
  EXPECT_EQ(wanted(), Cause::kLoad);
}

TEST_F(TriggerTest, LoadNearTheThresholdDoesNotFlap) {
  TriggerOptions options = off();
  options.load_below_per_s = 500;
  options.load_for_us = 2 * kSecondUs;
  use(options);
  for (int i = 0; i < 4; ++i) pass(kSecondUs, 400);
  ASSERT_EQ(wanted(), Cause::kLoad);
  pass(kSecondUs, 999);
  EXPECT_FALSE(trigger.yields(Cause::kLoad, now));
  pass(kSecondUs, 1000);  // twice the threshold: a new peak
  EXPECT_TRUE(trigger.yields(Cause::kLoad, now));
  EXPECT_EQ(wanted(), std::nullopt);
  EXPECT_FALSE(trigger.yields(Cause::kAge, now));
  EXPECT_FALSE(trigger.yields(Cause::kManual, now));
}

TEST_F(TriggerTest, PeakDoesNotEndARunThatAgeDemands) {
  TriggerOptions options = off();
  options.load_below_per_s = 500;
  options.max_age_us = kSecondUs;
  use(options);
  pass(kSecondUs);
  pass(kSecondUs, 5000);
  EXPECT_TRUE(trigger.yields(Cause::kLoad, now));
  now.oldest_age_us = kSecondUs;
  EXPECT_FALSE(trigger.yields(Cause::kLoad, now));
}

TEST_F(TriggerTest, WindowBeginsAndEndsRuns) {
  TriggerOptions options = off();
  options.schedule = *Schedule::parse({"23:00-06:30"});
  use(options);
  now.local.tm_hour = 22;
  pass(kSecondUs, 10);
  EXPECT_EQ(wanted(), std::nullopt);
  now.local.tm_hour = 23;
  pass(kSecondUs);
  EXPECT_EQ(wanted(), Cause::kWindow);
  EXPECT_FALSE(trigger.yields(Cause::kWindow, now));
  now.local.tm_hour = 7;
  pass(kSecondUs);
  EXPECT_TRUE(trigger.yields(Cause::kWindow, now));
}

TEST_F(TriggerTest, CronLineFiresOnceInItsMinute) {
  TriggerOptions options = off();
  options.schedule = *Schedule::parse({"30 3 * * *"});
  use(options);
  now.local.tm_mday = 1;
  now.local.tm_hour = 3;
  now.local.tm_min = 29;
  pass(kSecondUs, 10);
  EXPECT_EQ(wanted(), std::nullopt);
  now.local.tm_min = 30;
  pass(kSecondUs);
  EXPECT_EQ(wanted(), Cause::kCron);
  trigger.began();
  pass(kSecondUs, 10);  // the same minute, after the run
  EXPECT_EQ(wanted(), std::nullopt);
  EXPECT_FALSE(trigger.yields(Cause::kCron, now));
  now.local.tm_min = 31;
  pass(60 * kSecondUs);
  EXPECT_EQ(wanted(), std::nullopt);
}

}  // namespace
}  // namespace sluice::flusher
