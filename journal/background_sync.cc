#include "journal/background_sync.h"

#include <chrono>

#include "base/clock.h"
#include "base/failpoint.h"

namespace sluice::journal {

BackgroundSync::BackgroundSync(int64_t interval_us, base::Histogram& fsync_us, Done done)
    : interval_us_(interval_us), fsync_us_(fsync_us), done_(std::move(done)),
      thread_([this] { run(); }) {}

BackgroundSync::~BackgroundSync() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

void BackgroundSync::written(const std::shared_ptr<base::File>& file, uint64_t sequence) {
  const std::lock_guard lock(mutex_);
  const bool first = waiting_since_us_ == 0;
  if (first) waiting_since_us_ = base::monotonic_us();
  file_ = file;
  sequence_ = sequence;
  if (first) changed_.notify_all();
}

Status BackgroundSync::settle() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return !syncing_; });
  return failure_ ? Status(*failure_) : Status();
}

int64_t BackgroundSync::oldest_unsynced_age_us() const {
  const std::lock_guard lock(mutex_);
  const int64_t since_us = syncing_since_us_ != 0 ? syncing_since_us_ : waiting_since_us_;
  return since_us == 0 ? 0 : base::monotonic_us() - since_us;
}

void BackgroundSync::run() {
  std::unique_lock lock(mutex_);
  for (;;) {
    changed_.wait(lock, [&] { return stop_ || waiting_since_us_ != 0; });
    const int64_t due_us = waiting_since_us_ + interval_us_;
    const std::chrono::microseconds delay(due_us - base::monotonic_us());
    changed_.wait_for(lock, delay, [&] { return stop_; });
    if (stop_) return;
    sync_once(lock);
  }
}

void BackgroundSync::sync_once(std::unique_lock<std::mutex>& lock) {
  const std::shared_ptr<base::File> file = file_;
  const uint64_t sequence = sequence_;
  syncing_since_us_ = std::exchange(waiting_since_us_, 0);
  syncing_ = true;
  lock.unlock();
  const int64_t start_us = base::monotonic_us();
  Status synced = base::failpoint_status(base::Failpoint::kJournalBeforeSync);
  if (synced) synced = file->sync();
  if (synced) fsync_us_.observe(static_cast<uint64_t>(base::monotonic_us() - start_us));
  lock.lock();
  // After a failure the bytes stay unsynced for good: nobody may be told otherwise, ever.
  if (synced) syncing_since_us_ = 0;
  if (!synced) {
    stop_ = true;
    failure_ = synced.error();
  }
  syncing_ = false;
  lock.unlock();
  changed_.notify_all();
  done_(synced, sequence);
  lock.lock();
}

}  // namespace sluice::journal
