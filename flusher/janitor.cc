#include "flusher/janitor.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <chrono>

#include "base/clock.h"
#include "base/failpoint.h"

namespace sluice::flusher {
namespace {

constexpr auto kEvery = std::chrono::seconds(10);

}  // namespace

Janitor::Janitor(std::string dir, base::FileSystem& fs, int64_t retain_us,
                 const StatusBoard& status)
    : dir_(dir), fs_(fs), status_(status), journal_(std::move(dir), fs), retain_us_(retain_us) {}

void Janitor::start() {
  thread_ = std::thread([this] { run(); });
}

void Janitor::stop() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  wake_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void Janitor::set_retain(int64_t retain_us) {
  const std::lock_guard lock(mutex_);
  retain_us_ = retain_us;
}

void Janitor::run() {
  std::unique_lock lock(mutex_);
  while (!stop_) {
    lock.unlock();
    const auto deleted = pass(base::wall_ms());
    if (!deleted && deleted.error().cls() != ErrorClass::kNotFound) {
      spdlog::warn("janitor: {}; no segment is deleted until this is cured",
                   deleted.error().message());
    }
    lock.lock();
    wake_.wait_for(lock, kEvery, [this] { return stop_; });
  }
}

Result<size_t> Janitor::pass(int64_t now_ms) {
  const StatusSnapshot status = status_.read();
  if (status.journal_id == 0) return size_t{0};  // no checkpoint is known yet
  auto segments = journal::segments(dir_, fs_);
  if (!segments) return segments.error();
  segments_ = std::move(*segments);
  if (segments_.empty()) return size_t{0};
  if (!opened_) {
    SLUICE_TRY(journal_.open(segments_.front().first_sequence));
    opened_ = true;
  }
  const auto read = read_up_to(status.position);
  if (!read) return read.error();
  if (!*read) return size_t{0};

  int64_t retain_ms = 0;
  {
    const std::lock_guard lock(mutex_);
    retain_ms = retain_us_ / 1000;
  }
  const size_t count = retention_.deletable(segments_, status.position, now_ms, retain_ms);
  for (size_t i = 0; i < count; ++i) {
    SLUICE_TRY(base::failpoint_status(base::Failpoint::kJanitorBeforeDelete));
    SLUICE_TRY(journal::remove_segment(dir_, fs_, segments_[i].number));
    SLUICE_TRY(base::failpoint_status(base::Failpoint::kJanitorAfterDelete));
    spdlog::info("janitor: deleted segment {}: drained, its items closed, retention over",
                 segments_[i].number);
  }
  if (count > 0) retention_.removed_below(segments_[count]);
  return count;
}

Result<bool> Janitor::read_up_to(uint64_t position) {
  const auto segment_of = [this](uint64_t sequence) {
    auto after = std::upper_bound(
        segments_.begin(), segments_.end(), sequence,
        [](uint64_t wanted, const auto& segment) { return wanted < segment.first_sequence; });
    return after == segments_.begin() ? segments_.front().number : std::prev(after)->number;
  };
  while (journal_.next_sequence() < position) {
    {
      const std::lock_guard lock(mutex_);
      if (stop_) return false;
    }
    const auto unread = journal_.peek();
    if (!unread) return unread.error();
    if (unread->empty()) return false;
    size_t taken = 0;
    for (; taken < unread->size() && (*unread)[taken].sequence < position; ++taken) {
      retention_.observe((*unread)[taken], segment_of((*unread)[taken].sequence));
    }
    journal_.consume(taken);
    if (taken == 0) return true;
  }
  return true;
}

}  // namespace sluice::flusher
