#include "flusher/pace.h"

#include <algorithm>
#include <utility>

#include "base/units.h"

namespace sluice::flusher {
namespace {

constexpr int64_t kAdjustEveryUs = 500'000;
constexpr int64_t kRateMin = 100;          // rows/s: the backlog must always shrink a little
constexpr int64_t kRateMax = 1'000'000'000;  // more than there is
constexpr int64_t kIncreaseFraction = 20;  // of the best rate, per interval
constexpr int64_t kDoublesBelow = 4;       // a quarter of where the last overload began
constexpr int64_t kSecondUs = 1'000'000;
// Under a limit a transaction has what may go in a tenth of a second.
constexpr int64_t kBatchesPerS = 10;
// A server is through with it within a millisecond.
constexpr size_t kStatementRows = 100;
// A writer that was held back is taken for held back until it might have come again.
constexpr int64_t kHeldMinUs = 1'000;
constexpr int64_t kHeldGraceUs = 500'000;

}  // namespace

void Pace::set_options(const PaceOptions& options) {
  const std::lock_guard lock(mutex_);
  options_ = options;
}

int64_t Pace::rate() const {
  const int64_t fixed = options_.rows_per_s;
  if (rate_ == 0 || fixed == 0) return std::max(rate_, fixed);
  return std::min(rate_, fixed);
}

int64_t Pace::rows_per_s() const {
  const std::lock_guard lock(mutex_);
  return rate();
}

size_t Pace::batch_rows() const {
  const std::lock_guard lock(mutex_);
  const int64_t limit = rate();
  if (limit == 0) return SIZE_MAX;
  // A limit below the bound is kept second by second, too.
  const int64_t rows = std::max(limit / kBatchesPerS, std::min(batch_rows_min_, limit));
  return static_cast<size_t>(rows);
}

size_t Pace::statement_rows() const {
  const std::lock_guard lock(mutex_);
  return rate() == 0 ? SIZE_MAX : kStatementRows;
}

int64_t Pace::take(uint64_t rows, int64_t now_us) {
  const std::lock_guard lock(mutex_);
  if (rate() == 0) return 0;
  free_at_us_ = std::max(free_at_us_, now_us);
  const int64_t wait_us = free_at_us_ - now_us;
  free_at_us_ += static_cast<int64_t>(rows) * kSecondUs / rate();
  if (wait_us >= kHeldMinUs) {
    held_until_us_ = std::max(held_until_us_, now_us + wait_us);
    is_felt_ = true;
  }
  return wait_us;
}

void Pace::begin(const ServerLoad& load) {
  std::string why = suffers(load);
  if (why.empty()) return;
  const std::lock_guard lock(mutex_);
  overload(std::move(why));
  rate_ = kRateMin;
  was_overloaded_ = true;  // at what rate, is not known
}

void Pace::overload(std::string why) {
  overloaded_ = true;
  why_ = std::move(why);
}

void Pace::committed(uint64_t rows, int64_t commit_us, int64_t now_us) {
  const std::lock_guard lock(mutex_);
  interval_rows_ += rows;
  if (options_.commit_latency_us != 0 && commit_us > options_.commit_latency_us) {
    overload("a COMMIT took " + std::to_string(commit_us / 1000) + " ms, pace.commit_latency is " +
             base::format_duration_us(options_.commit_latency_us));
  }
  adjust(now_us);
}

void Pace::lock_wait_ended(int64_t now_us) {
  const std::lock_guard lock(mutex_);
  if (options_.lock_waits == 0) return;
  overload("a transaction of the drain waited for a lock until its time was over");
  adjust(now_us);
}

void Pace::observe(const ServerLoad& load, bool draining, int64_t now_us) {
  std::string why = suffers(load);
  const std::lock_guard lock(mutex_);
  if (draining && !why.empty()) overload(std::move(why));
  adjust(now_us);
}

std::string Pace::suffers(const ServerLoad& load) const {
  const std::lock_guard lock(mutex_);
  const auto above = [](int64_t value, int64_t limit) { return limit != 0 && value > limit; };
  if (above(load.threads_running, options_.threads_running)) {
    return "Threads_running is " + std::to_string(load.threads_running) +
           ", pace.threads_running is " + std::to_string(options_.threads_running);
  }
  if (above(load.lock_waits, options_.lock_waits)) {
    return std::to_string(load.lock_waits) +
           " sessions wait for row locks on average, pace.lock_waits is " +
           std::to_string(options_.lock_waits);
  }
  for (const ReplicaState& replica : load.replicas) {
    if (options_.replica_lag_us == 0 || !replica.error.empty()) continue;
    if (!replica.lag_us) return "replica " + replica.name + " does not apply what it is sent";
    if (*replica.lag_us > options_.replica_lag_us) {
      return "replica " + replica.name + " is " + std::to_string(*replica.lag_us / kSecondUs) +
             " s behind, pace.replica_lag is " + base::format_duration_us(options_.replica_lag_us);
    }
  }
  return "";
}

std::string Pace::held_by(int64_t now_us) const {
  const std::lock_guard lock(mutex_);
  const int64_t limit = rate();
  if (limit == 0 || now_us >= held_until_us_ + kHeldGraceUs) return "";
  if (limit != rate_) return "pace.rows_per_second is " + std::to_string(limit);
  return why_ + "; " + std::to_string(limit) + " records/s may go";
}

void Pace::adjust(int64_t now_us) {
  if (interval_begin_us_ == 0) interval_begin_us_ = now_us;
  const int64_t elapsed_us = now_us - interval_begin_us_;
  if (elapsed_us < kAdjustEveryUs) return;
  const int64_t measured = static_cast<int64_t>(interval_rows_) * kSecondUs / elapsed_us;
  if (overloaded_) {
    if (!was_overloaded_) knee_per_s_ = measured;
    rate_ = std::max(kRateMin, (rate_ == 0 ? measured : std::min(rate_, measured)) / 2);
  } else {
    reached_per_s_ = std::max(reached_per_s_, measured);
    const int64_t step = std::max(kRateMin, reached_per_s_ / kIncreaseFraction);
    if (rate_ != 0) rate_ += rate_ < knee_per_s_ / kDoublesBelow ? std::max(rate_, step) : step;
    // Well above what the writers can do, the limit limits nothing any more.
    if (rate_ > 2 * reached_per_s_ && reached_per_s_ > 0 && !is_felt_) rate_ = 0;
    if (rate_ > kRateMax) rate_ = 0;
  }
  was_overloaded_ = overloaded_;
  overloaded_ = is_felt_ = false;
  interval_begin_us_ = now_us;
  interval_rows_ = 0;
}

}  // namespace sluice::flusher
