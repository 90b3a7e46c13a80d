#include "flusher/schedule.h"

#include <gtest/gtest.h>

namespace sluice::flusher {
namespace {

cctz::time_zone berlin() {
  const auto zone = find_time_zone("Europe/Berlin");
  EXPECT_TRUE(zone.ok()) << zone.error().message();
  return *zone;
}

int64_t berlin_s(const cctz::civil_second& local) {
  return berlin().lookup(local).pre.time_since_epoch().count();
}

// 2026-11-23 is a Monday.
int64_t at(int hour, int minute, int day = 23, int month = 11) {
  return berlin_s(cctz::civil_second(2026, month, day, hour, minute));
}

Schedule in_berlin(const std::string& entry) {
  auto schedule = Schedule::parse({entry}, berlin());
  EXPECT_TRUE(schedule.ok()) << schedule.error().message();
  return schedule ? std::move(*schedule) : Schedule();
}

bool fires(const std::string& cron, int64_t minute_s) {
  return in_berlin(cron).due(minute_s - 1, minute_s);
}

bool inside(const std::string& window, int64_t unix_s) {
  return in_berlin(window).in_window(unix_s);
}

// The local times, with their offsets, of the minutes from `first_s` on, two hours before 03:00
// and two after it, in which `holds`; a run of minutes by its first and its last.
template <class Holds>
std::string minutes_of(int64_t first_s, Holds holds) {
  const auto text = [](int64_t unix_s) {
    return cctz::format("%H:%M%z", cctz::time_point<cctz::seconds>(cctz::seconds(unix_s)),
                        berlin());
  };
  std::string found;
  bool held = false;
  for (int64_t at_s = first_s; at_s < first_s + 5 * 3600; at_s += 60) {
    const bool now = holds(at_s);
    if (now && !held) found += (found.empty() ? "" : " ") + text(at_s);
    if (!now && held) found += ".." + text(at_s);
    held = now;
  }
  return found;
}

// Clocks go from 02:00 to 03:00 on 2026-03-29, from 03:00 back to 02:00 on 2026-10-25.
const int64_t kSpringS = 1774742400;  // 01:00+0100
const int64_t kAutumnS = 1792882800;  // 01:00+0200

std::string spring(const std::string& entry, bool window) {
  return minutes_of(
      kSpringS, [&](int64_t at_s) { return window ? inside(entry, at_s) : fires(entry, at_s); });
}
std::string autumn(const std::string& entry, bool window) {
  return minutes_of(
      kAutumnS, [&](int64_t at_s) { return window ? inside(entry, at_s) : fires(entry, at_s); });
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

TEST(Schedule, AMinuteThatIsLeftOutFiresAtTheNext) {
  EXPECT_EQ(spring("30 2 * * *", false), "03:00+0200..03:01+0200");
  EXPECT_EQ(spring("59 1 * * *", false), "01:59+0100..03:00+0200");
  // 03:00 for the three that are left out, and for itself: once.
  EXPECT_EQ(spring("0,20,40 2,3 * * *", false),
            "03:00+0200..03:01+0200 03:20+0200..03:21+0200 03:40+0200..03:41+0200");
  // Every hour: by the minutes that there are.
  EXPECT_EQ(spring("30 * * * *", false),
            "01:30+0100..01:31+0100 03:30+0200..03:31+0200 04:30+0200..04:31+0200 "
            "05:30+0200..05:31+0200 06:30+0200..06:31+0200");
}

TEST(Schedule, AnHourThatComesTwiceFiresOnce) {
  EXPECT_EQ(autumn("30 2 * * *", false), "02:30+0200..02:31+0200");
  EXPECT_EQ(autumn("0 3 * * *", false), "03:00+0100..03:01+0100");
  EXPECT_EQ(autumn("30 * * * *", false),
            "01:30+0200..01:31+0200 02:30+0200..02:31+0200 02:30+0100..02:31+0100 "
            "03:30+0100..03:31+0100 04:30+0100..04:31+0100");
}

TEST(Schedule, AWindowOverTheChangeHasOneBeginningAndOneEnd) {
  EXPECT_EQ(spring("01:30-03:30", true), "01:30+0100..03:30+0200");
  EXPECT_EQ(spring("02:30-03:30", true), "03:00+0200..03:30+0200");
  EXPECT_EQ(spring("01:30-02:30", true), "01:30+0100..03:00+0200");
  EXPECT_EQ(spring("02:10-02:50", true), "");
  EXPECT_EQ(autumn("01:30-03:30", true), "01:30+0200..03:30+0100");
  EXPECT_EQ(autumn("02:30-03:30", true), "02:30+0200..03:30+0100");
  EXPECT_EQ(autumn("01:30-02:30", true), "01:30+0200..02:30+0200");
  EXPECT_EQ(autumn("02:10-02:50", true), "02:10+0200..02:50+0200");
  EXPECT_EQ(autumn("22:00-03:30", true), "01:00+0200..03:30+0100");
  EXPECT_EQ(autumn("00:00-24:00", true), "01:00+0200");
}

TEST(Schedule, MinutesThatNobodyLookedAtAreDueLater) {
  const Schedule schedule = in_berlin("30 3 * * *");
  EXPECT_TRUE(schedule.due(at(3, 29), at(3, 30)));
  EXPECT_TRUE(schedule.due(at(3, 0), at(5, 0)));
  EXPECT_FALSE(schedule.due(at(3, 30), at(5, 0)));
  EXPECT_FALSE(schedule.due(at(3, 0), at(3, 29)));
}

TEST(Schedule, NextIsTheNearestOfAllEntries) {
  const auto schedule = Schedule::parse({"30 3 * * MON", "23:00-01:00"}, berlin());
  ASSERT_TRUE(schedule.ok());
  EXPECT_EQ(schedule->next(at(1, 0)), at(3, 30));
  EXPECT_EQ(schedule->next(at(3, 30)), at(23, 0));
  EXPECT_EQ(schedule->time_text(at(3, 30)), "03:30");
  EXPECT_EQ(in_berlin("0 0 1 1 *").next(at(1, 0)), std::nullopt);
  EXPECT_EQ(Schedule().next(at(1, 0)), std::nullopt);
}

TEST(Schedule, TheZoneDecidesWhatTheTimeIs) {
  const auto tokyo = Schedule::parse({"23:00-06:30"}, *find_time_zone("Asia/Tokyo"));
  ASSERT_TRUE(tokyo.ok());
  EXPECT_TRUE(tokyo->in_window(at(15, 0)));  // 23:00 there
  EXPECT_FALSE(tokyo->in_window(at(14, 59)));
  EXPECT_FALSE(tokyo->in_window(at(22, 30)));
  EXPECT_TRUE(find_time_zone("").ok());
  for (const char* bad : {"Europe/Berlim", "CEST+", "/etc/localtime", "libc:localtime", " "}) {
    const auto zone = find_time_zone(bad);
    EXPECT_FALSE(zone.ok()) << bad;
    if (zone.ok()) continue;
    EXPECT_NE(zone.error().message().find(bad), std::string::npos);
  }
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
