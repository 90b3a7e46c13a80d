#include "proxy/sale/clock_watch.h"

#include <cstdlib>

#include "base/clock.h"

namespace sluice::proxy::sale {
namespace {

std::string says(int64_t now_ms) { return "this machine's clock says " + base::utc_text(now_ms); }

int64_t ahead_of_monotonic_ms(int64_t now_ms) { return now_ms - base::monotonic_us() / 1000; }

}  // namespace

std::string ClockWatch::compare(int64_t now_ms, int64_t redis_ms) {
  if (std::abs(now_ms - redis_ms) > kOffMaxMs) {
    return says(now_ms) + ", and Redis's " + base::utc_text(redis_ms) + ": set right the wrong one";
  }
  ahead_ms_.store(ahead_of_monotonic_ms(now_ms), std::memory_order_relaxed);
  return "";
}

bool ClockWatch::has_jumped(int64_t now_ms) const {
  const int64_t ahead_ms = ahead_ms_.load(std::memory_order_relaxed);
  return ahead_ms != 0 && std::abs(ahead_of_monotonic_ms(now_ms) - ahead_ms) > kOffMaxMs;
}

std::string ClockWatch::fault(int64_t now_ms) const {
  if (is_good(now_ms)) return "";
  if (!is_in_range(now_ms)) {
    return says(now_ms) + ", and order ids can tell times from " + base::utc_text(kFirstMs) +
           " to " + base::utc_text(kEndMs) + " only; set it right";
  }
  if (has_jumped(now_ms)) {
    return says(now_ms) +
           ", more than a day from what it said since this proxy started; set it "
           "right, or, if it is right now, start the proxy again";
  }
  return says(now_ms) + ", but the journal has a record of " +
         base::utc_text(newest_ms_.load(std::memory_order_relaxed)) +
         "; set it right, or, if it is right and was wrong then, take the journal over into a new "
         "one: sluice-ctl journal adopt";
}

}  // namespace sluice::proxy::sale
