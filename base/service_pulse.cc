#include "base/service_pulse.h"

#include <algorithm>
#include <chrono>
#include <utility>

namespace sluice::base {
namespace {

constexpr int64_t kPeriodUs = 500'000;
// A watchdog that is bound to bark sooner is fed more often.
constexpr int64_t kPulsesPerWatchdog = 4;
constexpr int64_t kPeriodMinUs = 10'000;

int64_t period_us(int64_t watchdog_us) {
  if (watchdog_us == 0) return kPeriodUs;
  return std::clamp(watchdog_us / kPulsesPerWatchdog, kPeriodMinUs, kPeriodUs);
}

}  // namespace

ServicePulse::ServicePulse(const ServiceManager& manager, Daemon daemon)
    : manager_(manager), daemon_(std::move(daemon)) {
  if (manager_.listens()) thread_ = std::thread([this] { run(); });
}

void ServicePulse::stop() {
  if (!thread_.joinable()) return;
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  thread_.join();
}

void ServicePulse::run() {
  const auto period = std::chrono::microseconds(period_us(manager_.watchdog_us()));
  std::string told;
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    lock.unlock();
    std::string state = daemon_.state();
    if (state != told) manager_.status(state);
    told = std::move(state);
    if (daemon_.progressed()) manager_.alive();
    lock.lock();
    wake_.wait_for(lock, period, [this] { return stopping_; });
  }
}

}  // namespace sluice::base
