#include "proxy/front/client_limits.h"

#include "base/clock.h"

namespace sluice::proxy::front {
namespace {

constexpr int64_t kSecondUs = 1'000'000;
// An unfinished command may take a second longer for each of these that has arrived: large
// arguments pass over slow lines, a byte a second does not.
constexpr size_t kBytesASecond = 64 * 1024;
constexpr int64_t kMemoryWaitUs = kSecondUs;

void begin(int64_t& since_us) {
  if (since_us == 0) since_us = base::monotonic_us();
}

}  // namespace

std::optional<CutReason> overdue(const ClientTimes& times, const ClientFacts& facts,
                                 const Limits& limits, int64_t now_us) {
  const auto over = [now_us](int64_t since_us, int64_t limit_us, int64_t grace_us = 0) {
    return since_us != 0 && limit_us != 0 && now_us - since_us >= limit_us + grace_us;
  };
  if (!facts.authenticated && over(times.login_due_us, limits.login_timeout_us))
    return CutReason::kLoginTime;
  const auto grace_s = static_cast<int64_t>(facts.input_bytes / kBytesASecond);
  if (over(times.command_begun_us, limits.request_timeout_us, grace_s * kSecondUs))
    return CutReason::kRequestTime;
  const auto pause = static_cast<size_t>(limits.output_pause_bytes.load());
  const bool matters = facts.is_ending || facts.output_bytes > pause;
  if (matters && over(times.output_waits_us, limits.output_timeout_us))
    return CutReason::kOutputTime;
  return std::nullopt;
}

void ClientLimits::input_processed(bool took, bool unfinished) {
  if (took) {
    progressed_ = true;
    read_ahead_max_ = kReadAheadMin;
  }
  if (took || !unfinished) times_.command_begun_us = 0;
  if (unfinished) begin(times_.command_begun_us);
}

bool ClientLimits::login_became_due(bool authenticated) {
  const bool was_due = times_.login_due_us != 0;
  if (authenticated)
    times_.login_due_us = 0;
  else
    begin(times_.login_due_us);
  return !authenticated && !was_due;
}

void ClientLimits::output_waits() { begin(times_.output_waits_us); }
void ClientLimits::wait_for_memory() { begin(times_.waits_for_memory_us); }

bool ClientLimits::needs_relief(int64_t now_us) const {
  return waits_for_memory() && now_us - times_.waits_for_memory_us >= kMemoryWaitUs;
}

}  // namespace sluice::proxy::front
