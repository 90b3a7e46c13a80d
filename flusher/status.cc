#include "flusher/status.h"

#include <algorithm>
#include <chrono>

#include "base/clock.h"

namespace sluice::flusher {

std::string_view state_name(State state) {
  switch (state) {
    case State::kIdle:
      return "IDLE";
    case State::kHolding:
      return "HOLDING";
    case State::kDraining:
      return "DRAINING";
    case State::kPaced:
      return "PACED";
    case State::kBlocked:
      return "BLOCKED";
    case State::kPaused:
      return "PAUSED";
  }
  return "";
}

void StatusSnapshot::failed(const sql::Failure& failure) {
  LastFailure& last = failures[failure.kind];
  ++last.count;
  last.text = failure.text();
  last.at_ms = base::wall_ms();
}

std::optional<double> StatusSnapshot::eta_s() const {
  const bool is_drained = state == State::kDraining || state == State::kPaced;
  if (!is_drained || !backlog || rows_per_s <= 0) return std::nullopt;
  return static_cast<double>(backlog->records) / static_cast<double>(rows_per_s);
}

std::string StatusSnapshot::trouble() const {
  if (!mysql_error.empty() || writer_errors.empty()) return mysql_error;
  const auto& [writer, error] = *writer_errors.begin();
  return "writer " + std::to_string(writer) + ": " + error;
}

std::string_view StatusSnapshot::blocked_by() const {
  if (state != State::kBlocked) return "";
  const std::string now = trouble();
  if (now.empty()) {
    if (reason == kStarting) return kByStartUp;
    return reason.starts_with(kCommittedNothing) ? kByStall : kByJournal;
  }
  const auto latest = std::max_element(
      failures.begin(), failures.end(),
      [](const auto& a, const auto& b) { return a.second.at_ms < b.second.at_ms; });
  const bool is_known =
      latest != failures.end() && now.find(latest->second.text) != std::string::npos;
  return is_known ? sql::kind_name(latest->first) : kByStartUp;
}

StatusSnapshot StatusBoard::read() const {
  const std::lock_guard lock(mutex_);
  return snapshot_;
}

bool StatusBoard::wait_position(uint64_t sequence, int64_t timeout_ms) const {
  std::unique_lock lock(mutex_);
  const auto reached = [&] { return snapshot_.position >= sequence; };
  changed_.wait_for(lock, std::chrono::milliseconds(timeout_ms),
                    [&] { return closed_ || reached(); });
  return reached();
}

void StatusBoard::close() {
  {
    const std::lock_guard lock(mutex_);
    closed_ = true;
  }
  changed_.notify_all();
}

}  // namespace sluice::flusher
