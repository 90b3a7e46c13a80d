// Decides when a drain run begins, and when it gives way to a new peak.
//
// Pure: it sees observations with their times and keeps no clock of its own. The flush loop asks at
// every turn; a run that has begun goes on until the backlog is empty, except that one which began
// only because of low load ends when the load comes back, and one which began only because of a
// window ends with the window.
#pragma once

#include <cstdint>
#include <ctime>
#include <optional>
#include <string_view>

#include "flusher/options.h"

namespace sluice::flusher {

enum class Cause { kManual, kWindow, kCron, kRows, kBytes, kAge, kLoad };
std::string_view cause_name(Cause cause);

// What the journal looks like now.
struct Observation {
  int64_t now_us = 0;  // monotonic
  std::tm local{};     // wall clock, local time
  uint64_t last_sequence = 0;
  uint64_t backlog_rows = 0;
  int64_t backlog_bytes = 0;
  int64_t oldest_age_us = 0;
  bool oldest_in_future = false;  // by the wall clock: it was set back, and the age is not known
};

class Trigger {
 public:
  explicit Trigger(const TriggerOptions& options) : options_(options) {}
  void set_options(const TriggerOptions& options) { options_ = options; }

  // Takes in an observation: load, minutes that begin. Call regularly, draining or not.
  void observe(const Observation& now);

  // Why a run should begin (or would, were none under way); nullopt: hold. Never without backlog.
  std::optional<Cause> wants_drain(const Observation& now) const;
  // True if a run that began because of `cause` should stop before the backlog is empty.
  bool yields(Cause cause, const Observation& now) const;
  // A run has begun: a cron line has had its due.
  void began() { cron_due_ = false; }

  // Purchases per second, over the last second or so.
  int64_t load_per_s() const { return load_per_s_; }

 private:
  void measure_load(const Observation& now);

  TriggerOptions options_;
  int64_t load_per_s_ = 0;
  int64_t sample_us_ = 0;  // 0: no sample yet
  uint64_t sample_sequence_ = 0;
  int64_t low_since_us_ = 0;  // 0: the load is not low
  int last_minute_ = -1;      // of the day, whose cron lines have been looked at
  bool cron_due_ = false;
};

}  // namespace sluice::flusher
