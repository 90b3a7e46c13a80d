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
  options.disk_free_bytes = 0;
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
  Observation now{.now_us = 1000 * kSecondUs, .wall_s = kDayS};
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
  options.schedule = *Schedule::parse({"23:00-06:30"}, cctz::utc_time_zone());
  use(options);
  now.wall_s = kDayS + 23 * kHourS - 1;
  pass(kSecondUs, 10);
  EXPECT_EQ(wanted(), std::nullopt);
  now.wall_s = kDayS + 23 * kHourS;
  pass(kSecondUs);
  EXPECT_EQ(wanted(), Cause::kWindow);
  EXPECT_FALSE(trigger.yields(Cause::kWindow, now));
  now.wall_s = 2 * kDayS + 7 * kHourS;
  pass(kSecondUs);
  EXPECT_TRUE(trigger.yields(Cause::kWindow, now));
}

TEST_F(TriggerTest, CronLineFiresOnceInItsMinute) {
  TriggerOptions options = off();
  options.schedule = *Schedule::parse({"30 3 * * *"}, cctz::utc_time_zone());
  use(options);
  const int64_t due_s = kDayS + 3 * kHourS + 30 * 60;
  now.wall_s = due_s - 1;
  pass(kSecondUs, 10);
  EXPECT_EQ(wanted(), std::nullopt);
  now.wall_s = due_s;
  pass(kSecondUs);
  EXPECT_EQ(wanted(), Cause::kCron);
  trigger.finished(true);
  pass(kSecondUs, 10);  // the same minute, after the run
  EXPECT_EQ(wanted(), std::nullopt);
  now.wall_s = due_s - 3 * kHourS;  // a clock that was set back does not make it fire again
  pass(60 * kSecondUs);
  now.wall_s = due_s + 1;
  pass(60 * kSecondUs);
  EXPECT_EQ(wanted(), std::nullopt);
}

TEST_F(TriggerTest, CronMinutesThatNobodyLookedAtAreMadeUp) {
  TriggerOptions options = off();
  options.schedule = *Schedule::parse({"30 3 * * *"}, cctz::utc_time_zone());
  use(options);
  now.wall_s = kDayS + 3 * kHourS;
  pass(kSecondUs, 10);
  EXPECT_EQ(wanted(), std::nullopt);
  now.wall_s = kDayS + 5 * kHourS;  // the loop stood still
  pass(kSecondUs);
  EXPECT_EQ(wanted(), Cause::kCron);
  use(options);  // was not running in that minute
  pass(kSecondUs);
  EXPECT_EQ(wanted(), std::nullopt);
}

TEST_F(TriggerTest, AWindowAndACronLineGiveWayToAPeakAndComeBack) {
  TriggerOptions options = off();
  options.load_below_per_s = 500;
  options.load_for_us = 2 * kSecondUs;
  for (const Cause cause : {Cause::kWindow, Cause::kCron}) {
    const char* entry = cause == Cause::kCron ? "0 0 * * *" : "00:00-24:00";
    options.schedule = *Schedule::parse({entry}, cctz::utc_time_zone());
    use(options);
    now.wall_s = kDayS;
    pass(kSecondUs);
    pass(kSecondUs, 999);
    EXPECT_EQ(wanted(), cause);
    EXPECT_FALSE(trigger.yields(cause, now));
    pass(kSecondUs, 1000);
    EXPECT_EQ(wanted(), std::nullopt);
    EXPECT_TRUE(trigger.yields(cause, now));
    trigger.finished(false);
    EXPECT_NE(trigger.hold_reason(now).find("waits for the end of a peak of 1000 records/s"),
              std::string::npos);
    pass(kSecondUs, 999);  // not over yet
    EXPECT_EQ(wanted(), std::nullopt);
    pass(kSecondUs, 999);
    EXPECT_EQ(wanted(), cause);
  }
}

TEST_F(TriggerTest, AFullDiskOverridesAllAndYieldsToNothing) {
  TriggerOptions options = off();
  options.load_below_per_s = 500;
  options.disk_free_bytes = 1000;
  use(options);
  pass(kSecondUs);
  pass(kSecondUs, 5000);
  now.disk_free_bytes = 1000;
  EXPECT_EQ(wanted(), std::nullopt);
  now.disk_free_bytes = 999;
  now.mysql_suffers = "Threads_running is 80";
  EXPECT_EQ(wanted(), Cause::kDisk);
  EXPECT_FALSE(trigger.yields(Cause::kDisk, now));
  EXPECT_FALSE(trigger.yields(Cause::kLoad, now));
  now.disk_free_bytes = 1000;
  EXPECT_EQ(wanted(), std::nullopt);
  now.room_wanted = true;  // by a proxy, and whatever is configured
  use(off());
  EXPECT_EQ(wanted(), Cause::kDisk);
  ASSERT_EQ(trigger.explain(now).size(), 1u);
  EXPECT_TRUE(trigger.explain(now)[0].fires);
  now.backlog_rows = 0;
  EXPECT_EQ(wanted(), std::nullopt);
}

TEST_F(TriggerTest, NothingButAgeAndDiskBeginsWhileMysqlSuffers) {
  TriggerOptions options = off();
  options.backlog_rows = 1;
  options.max_age_us = 60 * kSecondUs;
  use(options);
  pass(kSecondUs, 10);
  EXPECT_EQ(wanted(), Cause::kRows);
  now.mysql_suffers = "Threads_running is 80";
  EXPECT_EQ(wanted(), std::nullopt);
  EXPECT_EQ(trigger.hold_reason(now), "no drain begins while MySQL suffers: Threads_running is 80");
  // It may suffer from the run itself: that is no reason to end one.
  EXPECT_FALSE(trigger.yields(Cause::kLoad, now));
  now.oldest_age_us = 60 * kSecondUs;
  EXPECT_EQ(wanted(), Cause::kAge);
}

TEST_F(TriggerTest, EachTriggerTellsHowFarItIs) {
  TriggerOptions options;
  options.schedule = *Schedule::parse({"30 3 * * *"}, cctz::utc_time_zone());
  options.backlog_rows = 5000;
  use(options);
  now.wall_s = kDayS;
  now.backlog_bytes = 20 << 20;
  now.oldest_age_us = 12 * kSecondUs;
  now.disk_free_bytes = int64_t{41} << 30;
  pass(kSecondUs);
  pass(kSecondUs, 812);
  EXPECT_EQ(trigger.hold_reason(now),
            "no trigger fires: disk_free (41984 MiB of the journal's disk are free, below 512 MiB "
            "it drains); max_age (the oldest record is 12 s old, of 1m); schedule (next at 03:30, "
            "in 3 h 30 min); backlog_rows (812 records of 5000); backlog_bytes (20 MiB of 1024 "
            "MiB); load_below (812 records/s, below 500/s it is low)");
  now.backlog_rows = 5000;
  std::string firing;
  for (const TriggerState& state : trigger.explain(now)) firing += state.fires ? state.name : "";
  EXPECT_EQ(firing, "backlog_rows");
  use(off());
  EXPECT_TRUE(trigger.explain(now).empty());
}

}  // namespace
}  // namespace sluice::flusher
