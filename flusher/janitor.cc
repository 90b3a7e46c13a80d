#include "flusher/janitor.h"

#include <spdlog/spdlog.h>

#include <chrono>

#include "base/clock.h"

namespace sluice::flusher {
namespace {

constexpr auto kEvery = std::chrono::seconds(1);
// So many segments are compacted even while the drain is at work.
constexpr size_t kSegmentsWhileDraining = 4;

}  // namespace

Janitor::Janitor(std::string dir, base::FileSystem& fs, int64_t retain_us,
                 const StatusBoard& status, const sql::ConnectOptions& mysql)
    : status_(status),
      over_items_(mysql),
      compactor_(std::move(dir), fs,
                 [this](const auto& items, int64_t until_ms) {
                   return over_items_.find(items, until_ms);
                 }),
      retain_us_(retain_us) {}

void Janitor::start() {
  thread_ = std::thread([this] { run(); });
}

void Janitor::stop() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  compactor_.interrupt();
  wake_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void Janitor::set_retain(int64_t retain_us) {
  const std::lock_guard lock(mutex_);
  retain_us_ = retain_us;
}

void Janitor::run() {
  std::string last_message;
  std::unique_lock lock(mutex_);
  while (!stop_) {
    lock.unlock();
    const auto passed = pass(base::wall_ms());
    const std::string message = passed ? "" : passed.error().message();
    lock.lock();
    if (!stop_ && !message.empty() && message != last_message) {
      spdlog::warn("janitor: {}; no segment is compacted or deleted until this is cured", message);
    }
    last_message = message;
    wake_.wait_for(lock, kEvery, [this] { return stop_; });
  }
}

Result<journal::Compactor::Report> Janitor::pass(int64_t now_ms) {
  const State state = status_.read().state;
  const bool draining = state == State::kDraining || state == State::kPaced;
  return pass(now_ms, draining ? kSegmentsWhileDraining : 1);
}

Result<journal::Compactor::Report> Janitor::last_pass(int64_t now_ms) { return pass(now_ms, 1); }

Result<journal::Compactor::Report> Janitor::pass(int64_t now_ms, size_t segments_min) {
  const StatusSnapshot status = status_.read();
  // Before the checkpoint is read nothing is known to be in MySQL.
  if (status.journal_id == 0) return journal::Compactor::Report();
  int64_t retain_ms = 0;
  {
    const std::lock_guard lock(mutex_);
    retain_ms = retain_us_ / 1000;
  }
  auto report =
      compactor_.pass(status.position, now_ms, retain_ms, segments_min, status.journal_id);
  if (!report) return report;
  if (report->segments_compacted > 0) {
    spdlog::info(
        "janitor: {} drained segments compacted into the snapshot, {} records written, "
        "{} items retired",
        report->segments_compacted, report->records_written, report->items_retired);
  }
  if (report->segments_removed > 0) {
    spdlog::info("janitor: {} compacted segments deleted, retention over",
                 report->segments_removed);
  }
  return report;
}

}  // namespace sluice::flusher
