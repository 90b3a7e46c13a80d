#include "flusher/progress.h"

namespace sluice::flusher {
namespace {

constexpr int64_t kSecondUs = 1'000'000;
// A deadlock or a lock wait that the next attempt survives is no blockade.
constexpr int64_t kRetriedForUs = 500'000;
// Without an error either: a statement is not answered, or every transaction takes this long.
constexpr int64_t kSilentForUs = 10 * kSecondUs;

}  // namespace

Verdict Progress::judge(const Situation& now) {
  const bool is_draining = !now.run.empty();
  const bool moves =
      now.position != position_ || !is_draining || now.backlog_rows == 0 || !now.held_by.empty();
  if (moves) moved_us_ = now.now_us;
  position_ = now.position;
  const int64_t still_us = now.now_us - moved_us_;

  if (now.is_paused) {
    return {State::kPaused, "paused by an operator; SECKILL.RESUME FLUSH or POST /resume"};
  }
  if (!now.trouble.empty() && (!is_draining || still_us >= kRetriedForUs)) {
    return {State::kBlocked, now.trouble};
  }
  if (is_draining) {
    const std::string trigger = "trigger: " + now.run;
    if (!now.trouble.empty()) return {State::kDraining, trigger + "; tries again: " + now.trouble};
    if (!now.held_by.empty()) return {State::kPaced, trigger + "; held back: " + now.held_by};
    if (still_us < kSilentForUs) return {State::kDraining, trigger};
    return {State::kBlocked, std::string(kCommittedNothing) + std::to_string(still_us / kSecondUs) +
                                 " s, and told no error: a lock, a stalled disk or network"};
  }
  if (now.backlog_rows == 0) return {State::kIdle, "nothing to drain"};
  return {State::kHolding, now.hold_reason};
}

}  // namespace sluice::flusher
