#include "flusher/trigger.h"

namespace sluice::flusher {
namespace {

constexpr int64_t kSecondUs = 1'000'000;
// Load is measured over at least this long; shorter intervals see single group commits.
constexpr int64_t kLoadIntervalUs = 500'000;
// Low load is over at this many times the threshold, so that a load near it does not flap.
constexpr int64_t kHysteresis = 2;

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
  }
  return "";
}

void Trigger::observe(const Observation& now) {
  measure_load(now);
  const int minute = now.local.tm_hour * 60 + now.local.tm_min;
  if (minute != last_minute_) {
    // The minute in which the flusher starts counts: it has not been missed.
    if (options_.schedule.fires(now.local)) cron_due_ = true;
    last_minute_ = minute;
  }
  if (now.backlog_rows == 0) cron_due_ = false;
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
  load_per_s_ = written * kSecondUs / elapsed_us;
  const bool was_low = low_since_us_ != 0;
  const bool low = load_per_s_ < options_.load_below_per_s * (was_low ? kHysteresis : 1);
  if (!low) low_since_us_ = 0;
  if (low && !was_low) low_since_us_ = sample_us_;
  sample_us_ = now.now_us;
  sample_sequence_ = now.last_sequence;
}

std::optional<Cause> Trigger::wants_drain(const Observation& now) const {
  if (now.backlog_rows == 0) return std::nullopt;
  if (options_.schedule.in_window(now.local)) return Cause::kWindow;
  if (cron_due_) return Cause::kCron;
  const auto reached = [](int64_t value, int64_t limit) { return limit != 0 && value >= limit; };
  if (reached(static_cast<int64_t>(now.backlog_rows), options_.backlog_rows)) return Cause::kRows;
  if (reached(now.backlog_bytes, options_.backlog_bytes)) return Cause::kBytes;
  const bool is_old = now.oldest_in_future && options_.max_age_us != 0;
  if (is_old || reached(now.oldest_age_us, options_.max_age_us)) return Cause::kAge;
  const bool low_for_long =
      low_since_us_ != 0 && now.now_us - low_since_us_ >= options_.load_for_us;
  if (options_.load_below_per_s != 0 && low_for_long) return Cause::kLoad;
  return std::nullopt;
}

bool Trigger::yields(Cause cause, const Observation& now) const {
  const bool may_yield = cause == Cause::kLoad || cause == Cause::kWindow;
  return may_yield && now.backlog_rows > 0 && !wants_drain(now);
}

}  // namespace sluice::flusher
