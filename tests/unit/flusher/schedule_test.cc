#include "flusher/schedule.h"

#include <gtest/gtest.h>

namespace sluice::flusher {
namespace {

// 2026-11-23 is a Monday.
std::tm at(int hour, int minute, int day = 23, int month = 11) {
  std::tm local{};
  local.tm_year = 126;
  local.tm_mon = month - 1;
  local.tm_mday = day;
  local.tm_hour = hour;
  local.tm_min = minute;
  local.tm_isdst = -1;
  std::mktime(&local);
  return local;
}

bool fires(const std::string& cron, const std::tm& local) {
  const auto schedule = Schedule::parse({cron});
  EXPECT_TRUE(schedule.ok()) << schedule.error().message();
  return schedule.ok() && schedule->fires(local);
}

bool inside(const std::string& window, const std::tm& local) {
  const auto schedule = Schedule::parse({window});
  EXPECT_TRUE(schedule.ok()) << schedule.error().message();
  return schedule.ok() && schedule->in_window(local);
}

TEST(Schedule, WindowHoldsItsFirstMinuteAndNotItsLast) {
  EXPECT_FALSE(inside("09:30-17:00", at(9, 29)));
  EXPECT_TRUE(inside("09:30-17:00", at(9, 30)));
  EXPECT_TRUE(inside("09:30-17:00", at(16, 59)));
  EXPECT_FALSE(inside("09:30-17:00", at(17, 0)));
}

TEST(Schedule, WindowMayCrossMidnight) {
  EXPECT_FALSE(inside("23:00-06:30", at(22, 59)));
  EXPECT_TRUE(inside("23:00-06:30", at(23, 0)));
  EXPECT_TRUE(inside("23:00-06:30", at(0, 0)));
  EXPECT_TRUE(inside("23:00-06:30", at(6, 29)));
  EXPECT_FALSE(inside("23:00-06:30", at(6, 30)));
  EXPECT_TRUE(inside("00:00-24:00", at(0, 0)));
  EXPECT_TRUE(inside("00:00-24:00", at(23, 59)));
}

TEST(Schedule, CronFieldsMatch) {
  EXPECT_TRUE(fires("30 3 * * *", at(3, 30)));
  EXPECT_FALSE(fires("30 3 * * *", at(3, 31)));
  EXPECT_FALSE(fires("30 3 * * *", at(4, 30)));
  EXPECT_TRUE(fires("*/15 * * * *", at(9, 45)));
  EXPECT_FALSE(fires("*/15 * * * *", at(9, 46)));
  EXPECT_TRUE(fires("0,30 8-18/2 * * *", at(18, 30)));
  EXPECT_FALSE(fires("0,30 8-18/2 * * *", at(17, 30)));
  EXPECT_TRUE(fires("5/20 * * * *", at(0, 45)));
  EXPECT_TRUE(fires("0 0 1 jan *", at(0, 0, 1, 1)));
  EXPECT_FALSE(fires("0 0 1 jan *", at(0, 0, 1, 2)));
  EXPECT_TRUE(fires("  0   9 *  *  MON-FRI ", at(9, 0)));
  EXPECT_FALSE(fires("0 9 * * MON-FRI", at(9, 0, 22)));
}

TEST(Schedule, SundayIsZeroAndSeven) {
  for (const char* cron : {"0 0 * * 0", "0 0 * * 7", "0 0 * * SUN"}) {
    EXPECT_TRUE(fires(cron, at(0, 0, 22))) << cron;
    EXPECT_FALSE(fires(cron, at(0, 0, 23))) << cron;
  }
}

TEST(Schedule, RestrictedDaysAreAlternatives) {
  EXPECT_TRUE(fires("0 0 1 * MON", at(0, 0, 23)));   // a Monday
  EXPECT_TRUE(fires("0 0 24 * MON", at(0, 0, 24)));  // a Tuesday, but the 24th
  EXPECT_FALSE(fires("0 0 1 * MON", at(0, 0, 24)));
  EXPECT_FALSE(fires("0 0 */2 * MON", at(0, 0, 25)));  // a step of * restricts nothing: both count
}

TEST(Schedule, NonsenseIsRefusedWithItsReason) {
  for (const char* bad : {"60 * * * *",
                          "* 24 * * *",
                          "* * 0 * *",
                          "* * 32 * *",
                          "* * * 13 *",
                          "* * * * 8",
                          "* * * *",
                          "* * * * * *",
                          "a * * * *",
                          "*/0 * * * *",
                          "5-1 * * * *",
                          "1,,2 * * * *",
                          "1- * * * *",
                          "1/2/3 * * * *",
                          "-5 * * * *",
                          "9:00",
                          "09:00-09:00",
                          "24:00-06:00",
                          "09:60-10:00",
                          "09:00-24:01",
                          "09:00-10:00-11:00",
                          "",
                          "9-10",
                          "09:0-10:00"}) {
    const auto schedule = Schedule::parse({bad});
    EXPECT_FALSE(schedule.ok()) << bad;
    if (!schedule.ok()) {
      EXPECT_EQ(schedule.error().cls(), ErrorClass::kInvalid);
      EXPECT_NE(schedule.error().message().find(bad), std::string::npos);
    }
  }
}

}  // namespace
}  // namespace sluice::flusher
