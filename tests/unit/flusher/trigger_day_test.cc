// Whole days of a shop with a fake clock: when drains begin, when they end, and why.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <deque>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "flusher/trigger.h"
#include "tests/unit/flusher/seconds.h"

namespace sluice::flusher {
namespace {

constexpr uint64_t kDrainedPerS = 5'000;

// A time of the day by the clock on the wall; both of two equal ones.
int64_t minute_of(int hour, int minute) { return hour * 60 + minute; }

class ShopDay {
 public:
  explicit ShopDay(const cctz::civil_day& day)
      : zone_(*find_time_zone("Europe/Berlin")),
        begin_s_(instant(cctz::civil_second(day))),
        end_s_(instant(cctz::civil_second(day + 1))) {
    TriggerOptions options;
    options.schedule = *Schedule::parse({"30 2 * * *", "12:00-13:00", "22:30-01:30"}, zone_);
    options.load_below_per_s = 500;
    options.load_for_us = 60 * kSecondUs;
    options.backlog_bytes = 0;
    options.max_age_us = 4 * kHourS * kSecondUs;
    options.disk_free_bytes = 1000;
    trigger_.set_options(options);
  }

  // A line for each run: when it began and ended, its cause, and what ended it. Runs for one cause
  // that follow each other within a few seconds are one.
  std::string runs() {
    for (int64_t now_s = begin_s_; now_s < end_s_; ++now_s) second(now_s);
    if (cause_) end(end_s_, "the day is over");
    std::string text;
    for (const Run& run : runs_) {
      text += time_text(run.begin_s) + "  " + time_text(run.end_s) + "  ";
      text += std::string(cause_name(run.cause)) + ": " + run.ending + "\n";
    }
    return text;
  }

 private:
  struct Run {
    int64_t begin_s;
    int64_t end_s;
    Cause cause;
    std::string ending;
  };

  static uint64_t load_at(int64_t minute) {
    if (minute >= minute_of(0, 40) && minute < minute_of(0, 50)) return 2000;    // a peak
    if (minute >= minute_of(2, 20) && minute < minute_of(2, 40)) return 2000;    // a peak
    if (minute >= minute_of(12, 30) && minute < minute_of(12, 40)) return 3000;  // a peak
    if (minute >= minute_of(16, 5) && minute < minute_of(16, 10)) return 3000;   // a peak
    if (minute >= minute_of(16, 0) && minute < minute_of(16, 30)) return 100;    // a lull
    return 700;                                                                  // neither
  }

  int64_t instant(const cctz::civil_second& local) const {
    return zone_.lookup(local).pre.time_since_epoch().count();
  }
  cctz::civil_second local(int64_t unix_s) const {
    return cctz::convert(cctz::time_point<cctz::seconds>(cctz::seconds(unix_s)), zone_);
  }
  std::string time_text(int64_t unix_s) const {
    return cctz::format("%H:%M:%S%z", cctz::time_point<cctz::seconds>(cctz::seconds(unix_s)),
                        zone_);
  }

  void second(int64_t now_s) {
    const cctz::civil_second clock = local(now_s);
    const uint64_t load = load_at(minute_of(clock.hour(), clock.minute()));
    waiting_.emplace_back(now_s, load);
    now_.now_us = now_s * kSecondUs;
    now_.wall_s = now_s;
    now_.last_sequence += load;
    now_.backlog_rows += load;
    now_.oldest_age_us = (now_s - waiting_.front().first) * kSecondUs;
    now_.disk_free_bytes = clock.hour() == 17 && clock.minute() < 10 ? 999 : 1000;
    trigger_.observe(now_);
    if (!cause_) {
      cause_ = trigger_.wants_drain(now_);
      if (cause_) begin(now_s);
    } else if (trigger_.yields(*cause_, now_)) {
      return end(now_s, "gave way");
    }
    if (!cause_) return;
    drain(kDrainedPerS);
    if (now_.backlog_rows == 0) end(now_s + 1, "drained");
  }

  void drain(uint64_t rows) {
    while (rows > 0 && !waiting_.empty()) {
      const uint64_t taken = std::min(rows, waiting_.front().second);
      rows -= taken;
      now_.backlog_rows -= taken;
      waiting_.front().second -= taken;
      if (waiting_.front().second == 0) waiting_.pop_front();
    }
  }

  void begin(int64_t now_s) {
    const bool goes_on =
        !runs_.empty() && runs_.back().cause == *cause_ && now_s - runs_.back().end_s <= 2;
    if (!goes_on) runs_.push_back({now_s, now_s, *cause_, ""});
  }
  void end(int64_t now_s, const std::string& why) {
    runs_.back().end_s = now_s;
    runs_.back().ending = why;
    trigger_.finished(why == "drained");
    cause_.reset();
  }

  const cctz::time_zone zone_;
  const int64_t begin_s_;
  const int64_t end_s_;
  Trigger trigger_{TriggerOptions()};
  Observation now_;
  std::deque<std::pair<int64_t, uint64_t>> waiting_;  // when they came, and how many
  std::optional<Cause> cause_;
  std::vector<Run> runs_;
};

std::string runs_on(const cctz::civil_day& day) {
  const std::string runs = ShopDay(day).runs();
  std::printf("%d-%02d-%02d in Berlin\nbegins         ends           cause\n%s\n",
              static_cast<int>(day.year()), day.month(), day.day(), runs.c_str());
  return runs;
}

// Peaks are at 00:40, 02:20, 12:30 and 16:05, a lull from 16:00 on; at 17:00 the disk is full for
// ten minutes. The cron line of 02:30 waits for the end of its peak.
TEST(TriggerDay, OrdinaryDay) {
  EXPECT_EQ(runs_on(cctz::civil_day(2026, 11, 23)),
            "00:00:00+0100  00:40:00+0100  window: drained\n"
            "00:50:59+0100  01:30:00+0100  window: drained\n"
            "02:40:59+0100  02:58:36+0100  schedule: drained\n"
            "06:58:36+0100  07:37:41+0100  max_age: drained\n"
            "11:37:41+0100  12:16:46+0100  max_age: drained\n"
            "12:16:46+0100  12:30:00+0100  window: drained\n"
            "12:40:59+0100  13:00:00+0100  window: drained\n"
            "16:00:59+0100  16:05:00+0100  load: gave way\n"
            "16:10:59+0100  17:00:00+0100  load: drained\n"
            "17:00:00+0100  17:10:00+0100  disk_free: drained\n"
            "17:10:00+0100  22:30:00+0100  load: drained\n"
            "22:30:00+0100  00:00:00+0100  window: drained\n");
}

// What was to begin at 02:30 begins at 03:00, and the peak of 02:20 is not.
TEST(TriggerDay, DayThatLacksAnHour) {
  EXPECT_EQ(runs_on(cctz::civil_day(2026, 3, 29)),
            "00:00:00+0100  00:40:00+0100  window: drained\n"
            "00:50:59+0100  01:30:00+0100  window: drained\n"
            "03:00:00+0200  03:04:54+0200  schedule: drained\n"
            "07:04:54+0200  07:43:59+0200  max_age: drained\n"
            "11:43:59+0200  12:23:04+0200  max_age: drained\n"
            "12:23:04+0200  12:30:00+0200  window: drained\n"
            "12:40:59+0200  13:00:00+0200  window: drained\n"
            "16:00:59+0200  16:05:00+0200  load: gave way\n"
            "16:10:59+0200  17:00:00+0200  load: drained\n"
            "17:00:00+0200  17:10:00+0200  disk_free: drained\n"
            "17:10:00+0200  22:30:00+0200  load: drained\n"
            "22:30:00+0200  00:00:00+0200  window: drained\n");
}

// 02:30 comes twice, and counts once.
TEST(TriggerDay, DayThatHasAnHourTwice) {
  EXPECT_EQ(runs_on(cctz::civil_day(2026, 10, 25)),
            "00:00:00+0200  00:40:00+0200  window: drained\n"
            "00:50:59+0200  01:30:00+0200  window: drained\n"
            "02:40:59+0200  02:58:36+0200  schedule: drained\n"
            "05:58:36+0100  06:43:43+0100  max_age: drained\n"
            "10:43:43+0100  11:22:48+0100  max_age: drained\n"
            "12:00:00+0100  12:30:00+0100  window: drained\n"
            "12:40:59+0100  13:00:00+0100  window: drained\n"
            "16:00:59+0100  16:05:00+0100  load: gave way\n"
            "16:10:59+0100  17:00:00+0100  load: drained\n"
            "17:00:00+0100  17:10:00+0100  disk_free: drained\n"
            "17:10:00+0100  22:30:00+0100  load: drained\n"
            "22:30:00+0100  00:00:00+0100  window: drained\n");
}

}  // namespace
}  // namespace sluice::flusher
