// trigger.schedule: when to drain by the clock.
//
// Two kinds of entries, both in the machine's local time:
//   "30 3 * * *"   a cron line (minute hour day-of-month month day-of-week): a drain of all that is
//                  there begins in that minute. `*`, numbers, names (JAN, MON), lists, ranges,
//                  steps; Sunday is 0 or 7; as in cron(8), if both days are restricted either may
//                  match. Minutes that passed while the flusher was not running are not made up.
//   "23:00-06:30"  a window: draining goes on while the time is inside, from the first minute to
//                  just before the last; it may cross midnight. "00:00-24:00" is always.
#pragma once

#include <array>
#include <bitset>
#include <cstdint>
#include <ctime>
#include <string>
#include <vector>

#include "base/error.h"

namespace sluice::flusher {

class Schedule {
 public:
  Schedule() = default;
  // kInvalid: names the entry and what is wrong with it.
  static Result<Schedule> parse(const std::vector<std::string>& entries);

  bool in_window(const std::tm& local) const;
  // A cron line matches this minute.
  bool fires(const std::tm& local) const;

 private:
  struct Window {
    int begin_minute;  // of the day
    int end_minute;
  };
  // Bit i: the value i matches.
  struct Cron {
    std::bitset<60> minutes;
    std::bitset<24> hours;
    std::bitset<32> days;
    std::bitset<13> months;
    std::bitset<8> weekdays;
    bool any_day;      // day-of-month was "*"
    bool any_weekday;  // day-of-week was "*"
  };

  static Result<Window> parse_window(std::string_view entry);
  static Result<Cron> parse_cron(std::string_view entry);

  std::vector<Window> windows_;
  std::vector<Cron> crons_;
};

}  // namespace sluice::flusher
