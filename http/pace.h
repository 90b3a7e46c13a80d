// So many at once, and then one each interval: a bound on how often something is done. Not
// thread-safe.
#pragma once

#include <algorithm>
#include <chrono>

namespace sluice::http {

class Pace {
 public:
  using Clock = std::chrono::steady_clock;

  // interval 0: no bound.
  Pace(int at_once, Clock::duration interval) : at_once_(at_once), interval_(interval) {}

  // Takes the next place; how long it is until then, zero or less: it is now. Each place pays for
  // an interval; who is ahead by more than those that are allowed at once waits.
  Clock::duration take(Clock::time_point now = Clock::now()) {
    paid_until_ = std::max(paid_until_, now) + interval_;
    return paid_until_ - now - at_once_ * interval_;
  }

 private:
  const int at_once_;
  const Clock::duration interval_;
  Clock::time_point paid_until_{};
};

}  // namespace sluice::http
