#include "flusher/pace.h"

#include <algorithm>

namespace sluice::flusher {
namespace {

constexpr int64_t kAdjustEveryUs = 500'000;
constexpr int64_t kRateMin = 100;          // rows/s: the backlog must always shrink a little
constexpr int64_t kIncreaseFraction = 20;  // of the best rate, per interval
constexpr int64_t kSecondUs = 1'000'000;

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

int64_t Pace::take(uint64_t rows, int64_t now_us) {
  const std::lock_guard lock(mutex_);
  if (rate() == 0) return 0;
  free_at_us_ = std::max(free_at_us_, now_us);
  const int64_t wait_us = free_at_us_ - now_us;
  free_at_us_ += static_cast<int64_t>(rows) * kSecondUs / rate();
  return wait_us;
}

void Pace::committed(uint64_t rows, int64_t commit_us, int64_t now_us) {
  const std::lock_guard lock(mutex_);
  interval_rows_ += rows;
  if (options_.commit_latency_us != 0 && commit_us > options_.commit_latency_us) overloaded_ = true;
  adjust(now_us);
}

void Pace::threads_running(int64_t count, int64_t now_us) {
  const std::lock_guard lock(mutex_);
  if (options_.threads_running != 0 && count > options_.threads_running) overloaded_ = true;
  adjust(now_us);
}

void Pace::adjust(int64_t now_us) {
  if (interval_begin_us_ == 0) interval_begin_us_ = now_us;
  const int64_t elapsed_us = now_us - interval_begin_us_;
  if (elapsed_us < kAdjustEveryUs) return;
  const int64_t measured = static_cast<int64_t>(interval_rows_) * kSecondUs / elapsed_us;
  if (overloaded_) {
    rate_ = std::max(kRateMin, (rate_ == 0 ? measured : std::min(rate_, measured)) / 2);
  } else {
    reached_per_s_ = std::max(reached_per_s_, measured);
    if (rate_ != 0) rate_ += std::max(kRateMin, reached_per_s_ / kIncreaseFraction);
    // Well above what the writers can do, the limit limits nothing any more.
    if (rate_ > 2 * reached_per_s_ && reached_per_s_ > 0) rate_ = 0;
  }
  overloaded_ = false;
  interval_begin_us_ = now_us;
  interval_rows_ = 0;
}

}  // namespace sluice::flusher
