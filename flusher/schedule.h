// trigger.schedule: when to drain by the clock of trigger.time_zone.
//
// Two kinds of entries:
//   "30 3 * * *"   a cron line (minute hour day-of-month month day-of-week): a drain of all that is
//                  there begins in that minute. `*`, numbers, names (JAN, MON), lists, ranges,
//                  steps; Sunday is 0 or 7; as in cron(8), if both days are restricted either may
//                  match. Minutes that passed while the flusher was not running are not made up.
//   "23:00-06:30"  a window: draining goes on while the time is inside, from the first minute to
//                  just before the last; it may cross midnight. "00:00-24:00" is always.
//
// Where clocks are put forward, a minute that is left out counts as the first one after the gap;
// where they are put back, only the first of two equal times counts. So a cron line neither misses
// its day nor fires twice, and a window has one beginning and one end. Only lines that name every
// hour (`*`) go by the minutes that there are, as in cron(8).
//
// Pure: it is told the time, in seconds of the Unix clock.
#pragma once

#include <cctz/time_zone.h>

#include <array>
#include <bitset>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"

namespace sluice::flusher {

// An IANA name ("Europe/Berlin"); "": the machine's own zone. kInvalid: there is none of that name.
Result<cctz::time_zone> find_time_zone(const std::string& name);

class Schedule {
 public:
  Schedule() = default;
  // kInvalid: names the entry and what is wrong with it.
  static Result<Schedule> parse(const std::vector<std::string>& entries,
                                const cctz::time_zone& zone = cctz::local_time_zone());

  bool empty() const { return windows_.empty() && crons_.empty(); }
  bool in_window(int64_t unix_s) const;
  // A cron line is due in a minute that begins after `after_s`, and at `upto_s` at the latest.
  bool due(int64_t after_s, int64_t upto_s) const;
  // When it says "drain" again, looking a week ahead from the next minute on; nullopt: not then.
  std::optional<int64_t> next(int64_t unix_s) const;
  // "14:05", in its zone.
  std::string time_text(int64_t unix_s) const;

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
  static bool matches(const Cron& cron, const cctz::civil_minute& minute);

  bool is_due(const Cron& cron, int64_t minute_s) const;
  bool is_inside(const Window& window, int64_t unix_s) const;
  int64_t begin_of(const cctz::civil_minute& minute) const;

  cctz::time_zone zone_;
  std::vector<Window> windows_;
  std::vector<Cron> crons_;
};

}  // namespace sluice::flusher
