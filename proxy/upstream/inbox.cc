#include "proxy/upstream/inbox.h"

#include <boost/asio/post.hpp>
#include <utility>

#include "base/error.h"

namespace sluice::proxy::upstream {

void Inbox::push(Work work) {
  const bool queued = queue_.enqueue(std::move(work));
  SLUICE_ASSERT(queued, "no memory for an inbox's work");
  wake();
}

void Inbox::wake() {
  if (signalled_.exchange(true, std::memory_order_acq_rel)) return;
  boost::asio::post(thread_.context(), [this] { run(); });
}

// What is pushed meanwhile waits for the next run(), so that sockets have their turn in between.
void Inbox::run() {
  running_.resize(queue_.size_approx());
  // Nobody else takes, so what was counted is there.
  const size_t taken = queue_.try_dequeue_bulk(running_.begin(), running_.size());
  SLUICE_ASSERT(taken == running_.size(), "an inbox gave less than it holds");
  for (Work& work : running_) std::exchange(work, nullptr)();
  running_.clear();
  signalled_.exchange(false, std::memory_order_acq_rel);
  if (queue_.size_approx() > 0) wake();
}

}  // namespace sluice::proxy::upstream
