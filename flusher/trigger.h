// Decides when a drain run begins, and when it gives way.
//
// Pure: it sees observations with their times and keeps no clock of its own. The flush loop asks at
// every turn. Any trigger is enough; what stands higher overrides what stands lower:
//
//   manual                        the loop's own; always
//   disk_free, max_age            begin whatever goes on, and end when the backlog is empty; so
//   does
//                                 what a proxy wants that has no room left
//   backlog_rows, backlog_bytes   wait while MySQL suffers; end when the backlog is empty
//   schedule, load_below          wait while MySQL suffers or a peak lasts; give way to a new peak
//
// A run that only a window began ends with it, too. A cron line that gave way has its drain when
// the peak is over.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "flusher/options.h"

namespace sluice::flusher {

enum class Cause { kManual, kWindow, kCron, kRows, kBytes, kAge, kLoad, kDisk };
std::string_view cause_name(Cause cause);

// What there is to decide by, now.
struct Observation {
  int64_t now_us = 0;  // monotonic
  int64_t wall_s = 0;  // seconds of the Unix clock
  uint64_t last_sequence = 0;
  uint64_t backlog_rows = 0;
  int64_t backlog_bytes = 0;
  int64_t oldest_age_us = 0;
  bool oldest_in_future = false;  // by the wall clock: it was set back, and the age is not known
  int64_t disk_free_bytes = INT64_MAX;  // where the journal is
  bool room_wanted = false;  // the proxy has no room for another segment (journal.max_bytes, disk)
  std::string mysql_suffers;            // why nothing should begin now; "": it is well
};

// One trigger that is configured, for people.
struct TriggerState {
  std::string name;
  bool fires;
  std::string reason;  // how far it is: "the oldest record is 12 s old, of 60 s"

  friend bool operator==(const TriggerState&, const TriggerState&) = default;
};

class Trigger {
 public:
  explicit Trigger(const TriggerOptions& options) : options_(options) {}
  void set_options(const TriggerOptions& options);

  // Takes in an observation: load, minutes that begin. Call regularly, draining or not.
  void observe(const Observation& now);

  // Why a run should begin; nullopt: hold. Never without backlog.
  std::optional<Cause> wants_drain(const Observation& now) const;
  // True if a run that began because of `cause` should stop before the backlog is empty.
  bool yields(Cause cause, const Observation& now) const;
  // A run is over. `drained`: to its end, so a cron line has had its due.
  void finished(bool drained);

  // All that are configured.
  std::vector<TriggerState> explain(const Observation& now) const;
  // Why wants_drain() says no although there is a backlog, in one line.
  std::string hold_reason(const Observation& now) const;

  // When the schedule says "drain" again, in seconds of the Unix clock; nullopt: not within a week.
  std::optional<int64_t> next_scheduled_s() const { return next_s_; }

  // Purchases per second, over the last second or so.
  int64_t load_per_s() const { return load_per_s_; }

 private:
  void measure_load(const Observation& now);
  void look_at_schedule(const Observation& now);
  std::optional<Cause> demanded(const Observation& now) const;
  std::optional<Cause> firing(const Observation& now) const;
  bool is_low_for_long(const Observation& now) const;
  std::string explain_schedule(const Observation& now, bool fires) const;
  std::string explain_load(const Observation& now, bool fires) const;

  TriggerOptions options_;
  int64_t load_per_s_ = 0;
  int64_t sample_us_ = 0;  // 0: no sample yet
  uint64_t sample_sequence_ = 0;
  int64_t low_since_us_ = 0;  // 0: the load is not low
  bool is_peak_ = false;      // from twice the threshold on, until load_for after that
  int64_t peak_us_ = 0;       // when it was measured last
  int64_t minute_s_ = 0;      // up to which cron lines have been looked at; 0: none yet
  bool cron_due_ = false;
  std::optional<int64_t> next_s_;  // when the schedule says drain, as of minute_s_
};

}  // namespace sluice::flusher
