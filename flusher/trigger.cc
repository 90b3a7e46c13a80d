#include "flusher/trigger.h"

#include <algorithm>

#include "base/units.h"

namespace sluice::flusher {
namespace {

constexpr int64_t kSecondUs = 1'000'000;
constexpr int64_t kMinuteS = 60;
constexpr int64_t kHourS = 60 * kMinuteS;
// Load is measured over at least this long; shorter intervals see single group commits.
constexpr int64_t kLoadIntervalUs = 500'000;
// Low load is over at this many times the threshold, so that a load near it does not flap.
constexpr int64_t kHysteresis = 2;
// Minutes that nobody could look at (the loop stood still, the machine slept) are made up for so
// long; a clock that is set back by less waits until it is where it was, as in cron(8).
constexpr int64_t kMadeUpS = 24 * kHourS;
constexpr int64_t kSetBackS = 3 * kHourS;

bool reached(int64_t value, int64_t limit) { return limit != 0 && value >= limit; }

bool is_old(const Observation& now, int64_t max_age_us) {
  const bool is_of_future = now.oldest_in_future && max_age_us != 0;
  return is_of_future || reached(now.oldest_age_us, max_age_us);
}

std::string of_bytes(int64_t bytes) {
  constexpr int64_t kKiB = 1024, kMiB = kKiB * kKiB;
  return bytes < 10 * kMiB ? std::to_string(bytes / kKiB) + " KiB"
                           : std::to_string(bytes / kMiB) + " MiB";
}

std::string of_seconds(int64_t us) { return std::to_string(us / kSecondUs) + " s"; }

}  // namespace

std::string_view cause_name(Cause cause) {
  switch (cause) {
    case Cause::kManual:
      return "manual";
    case Cause::kWindow:
      return "window";
    case Cause::kCron:
      return "schedule";
    case Cause::kRows:
      return "backlog_rows";
    case Cause::kBytes:
      return "backlog_bytes";
    case Cause::kAge:
      return "max_age";
    case Cause::kLoad:
      return "load";
    case Cause::kDisk:
      return "disk_free";
  }
  return "";
}

void Trigger::set_options(const TriggerOptions& options) {
  options_ = options;
  next_s_ = minute_s_ == 0 ? std::nullopt : options_.schedule.next(minute_s_);
}

void Trigger::observe(const Observation& now) {
  measure_load(now);
  look_at_schedule(now);
  if (now.backlog_rows == 0) cron_due_ = false;
}

void Trigger::look_at_schedule(const Observation& now) {
  const int64_t minute_s = now.wall_s - now.wall_s % kMinuteS;
  // The minute in which the flusher starts counts: it has not been missed.
  if (minute_s_ == 0 || minute_s < minute_s_ - kSetBackS) minute_s_ = minute_s - kMinuteS;
  if (minute_s <= minute_s_) return;
  if (options_.schedule.due(std::max(minute_s_, minute_s - kMadeUpS), minute_s)) cron_due_ = true;
  minute_s_ = minute_s;
  next_s_ = options_.schedule.next(minute_s_);
}

void Trigger::measure_load(const Observation& now) {
  if (sample_us_ == 0) {
    sample_us_ = now.now_us;
    sample_sequence_ = now.last_sequence;
    return;
  }
  const int64_t elapsed_us = now.now_us - sample_us_;
  if (elapsed_us < kLoadIntervalUs) return;
  const auto written = static_cast<int64_t>(now.last_sequence - sample_sequence_);
  const int64_t threshold = options_.load_below_per_s;
  load_per_s_ = written * kSecondUs / elapsed_us;
  const bool was_low = low_since_us_ != 0;
  const bool low = load_per_s_ < threshold * (was_low ? kHysteresis : 1);
  if (!low) low_since_us_ = 0;
  if (low && !was_low) low_since_us_ = sample_us_;
  const bool is_high = threshold != 0 && load_per_s_ >= threshold * kHysteresis;
  if (is_high) peak_us_ = now.now_us;
  is_peak_ = is_high || (is_peak_ && now.now_us - peak_us_ < options_.load_for_us);
  sample_us_ = now.now_us;
  sample_sequence_ = now.last_sequence;
}

bool Trigger::is_low_for_long(const Observation& now) const {
  return options_.load_below_per_s != 0 && low_since_us_ != 0 &&
         now.now_us - low_since_us_ >= options_.load_for_us;
}

// What begins whatever goes on.
std::optional<Cause> Trigger::demanded(const Observation& now) const {
  if (now.room_wanted || now.disk_free_bytes < options_.disk_free_bytes) return Cause::kDisk;
  if (is_old(now, options_.max_age_us)) return Cause::kAge;
  return std::nullopt;
}

// As if MySQL were well.
std::optional<Cause> Trigger::firing(const Observation& now) const {
  if (now.backlog_rows == 0) return std::nullopt;
  if (const auto cause = demanded(now)) return cause;
  if (!is_peak_ && options_.schedule.in_window(now.wall_s)) return Cause::kWindow;
  if (!is_peak_ && cron_due_) return Cause::kCron;
  if (reached(static_cast<int64_t>(now.backlog_rows), options_.backlog_rows)) return Cause::kRows;
  if (reached(now.backlog_bytes, options_.backlog_bytes)) return Cause::kBytes;
  if (is_low_for_long(now)) return Cause::kLoad;
  return std::nullopt;
}

std::optional<Cause> Trigger::wants_drain(const Observation& now) const {
  const auto cause = firing(now);
  const bool must = cause == Cause::kDisk || cause == Cause::kAge;
  return must || now.mysql_suffers.empty() ? cause : std::nullopt;
}

// The server suffers from the run itself, too: that is the pace's to judge.
bool Trigger::yields(Cause cause, const Observation& now) const {
  const bool may_yield = cause == Cause::kLoad || cause == Cause::kWindow || cause == Cause::kCron;
  return may_yield && now.backlog_rows > 0 && !firing(now);
}

void Trigger::finished(bool drained) {
  if (drained) cron_due_ = false;
}

std::vector<TriggerState> Trigger::explain(const Observation& now) const {
  std::vector<TriggerState> states;
  const bool some = now.backlog_rows > 0;
  const auto add = [&](std::string_view name, bool fires, std::string reason) {
    states.push_back({std::string(name), some && fires, std::move(reason)});
  };
  if (now.room_wanted) {
    add("disk_free", true,
        "the proxy has no room for another segment (journal.max_bytes, or disk)");
  } else if (options_.disk_free_bytes != 0) {
    add("disk_free", now.disk_free_bytes < options_.disk_free_bytes,
        of_bytes(now.disk_free_bytes) + " of the journal's disk are free, below " +
            of_bytes(options_.disk_free_bytes) + " it drains");
  }
  if (options_.max_age_us != 0) {
    add("max_age", is_old(now, options_.max_age_us),
        "the oldest record is " + of_seconds(now.oldest_age_us) + " old, of " +
            base::format_duration_us(options_.max_age_us));
  }
  if (!options_.schedule.empty()) {
    const bool fires = !is_peak_ && (cron_due_ || options_.schedule.in_window(now.wall_s));
    add("schedule", fires, explain_schedule(now, fires));
  }
  if (options_.backlog_rows != 0) {
    const auto rows = static_cast<int64_t>(now.backlog_rows);
    add("backlog_rows", rows >= options_.backlog_rows,
        std::to_string(rows) + " records of " + std::to_string(options_.backlog_rows));
  }
  if (options_.backlog_bytes != 0) {
    add("backlog_bytes", now.backlog_bytes >= options_.backlog_bytes,
        of_bytes(now.backlog_bytes) + " of " + of_bytes(options_.backlog_bytes));
  }
  if (options_.load_below_per_s != 0) {
    const bool fires = is_low_for_long(now);
    add("load_below", fires, explain_load(now, fires));
  }
  return states;
}

std::string Trigger::explain_schedule(const Observation& now, bool fires) const {
  const Schedule& schedule = options_.schedule;
  if (fires) return cron_due_ ? "a cron line is due" : "a window is open";
  if (cron_due_ || schedule.in_window(now.wall_s)) {
    return "it waits for the end of a peak of " + std::to_string(load_per_s_) + " records/s";
  }
  if (!next_s_) return "nothing within a week";
  const int64_t left_s = std::max<int64_t>(*next_s_ - now.wall_s, 0);
  return "next at " + schedule.time_text(*next_s_) + ", in " + std::to_string(left_s / kHourS) +
         " h " + std::to_string(left_s % kHourS / kMinuteS) + " min";
}

std::string Trigger::explain_load(const Observation& now, bool fires) const {
  const std::string load = std::to_string(load_per_s_) + " records/s";
  const std::string limit = base::format_rate_per_s(options_.load_below_per_s);
  if (fires) return load + ", low for " + base::format_duration_us(options_.load_for_us);
  if (low_since_us_ == 0) return load + ", below " + limit + " it is low";
  return load + ", low for " + of_seconds(now.now_us - low_since_us_) + " of " +
         base::format_duration_us(options_.load_for_us);
}

std::string Trigger::hold_reason(const Observation& now) const {
  if (firing(now) && !now.mysql_suffers.empty()) {
    return "no drain begins while MySQL suffers: " + now.mysql_suffers;
  }
  std::string reason = "no trigger fires";
  const char* separator = ": ";
  for (const TriggerState& state : explain(now)) {
    reason += separator + state.name + " (" + state.reason + ")";
    separator = "; ";
  }
  return reason;
}

}  // namespace sluice::flusher
