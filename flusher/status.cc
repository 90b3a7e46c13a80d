#include "flusher/status.h"

#include <chrono>

namespace sluice::flusher {

std::string_view state_name(State state) {
  switch (state) {
    case State::kHolding:
      return "holding";
    case State::kDraining:
      return "draining";
    case State::kPaused:
      return "paused";
    case State::kWaiting:
      return "waiting";
  }
  return "";
}

std::string StatusSnapshot::trouble() const {
  if (!mysql_error.empty() || writer_errors.empty()) return mysql_error;
  const auto& [writer, error] = *writer_errors.begin();
  return "writer " + std::to_string(writer) + ": " + error;
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
