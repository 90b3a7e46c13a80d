#include "journal/batch_queue.h"

#include <thread>
#include <utility>

#include "base/error.h"

namespace sluice::journal {

bool BatchQueue::push(Batch& batch) {
  const int before = state_.fetch_add(kBatch);
  if ((before & kClosed) != 0) {
    state_.fetch_sub(kBatch);
    return false;
  }
  const bool queued = queue_.enqueue(std::move(batch));
  SLUICE_ASSERT(queued, "no memory for a batch of the journal");
  if (before == 0) wake();
  return true;
}

void BatchQueue::signal() {
  if (state_.fetch_or(kSignalled) == 0) wake();
}

bool BatchQueue::close() {
  const int before = state_.fetch_or(kClosed);
  if (before == 0) wake();
  return (before & kClosed) == 0;
}

void BatchQueue::wake() {
  {
    const std::lock_guard lock(mutex_);
    woken_ = true;
  }
  awake_.notify_one();
}

BatchQueue::Taken BatchQueue::take(std::vector<Batch>& batches) {
  SLUICE_ASSERT(batches.empty(), "batches of an earlier round are left");
  if (std::exchange(idle_, false)) {
    std::unique_lock lock(mutex_);
    awake_.wait(lock, [this] { return std::exchange(woken_, false); });
  }
  for (;;) {
    const int state = state_.load();
    const Taken taken{(state & kSignalled) != 0, (state & ~kSignalled) == kClosed};
    batches.resize(static_cast<size_t>(state / kBatch));
    batches.resize(queue_.try_dequeue_bulk(batches.begin(), batches.size()));
    const int done = static_cast<int>(batches.size()) * kBatch + (state & kSignalled);
    idle_ = state_.fetch_sub(done) == done;
    if (done > 0 || taken.ended) return taken;
    std::this_thread::yield();
  }
}

}  // namespace sluice::journal
