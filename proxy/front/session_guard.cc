// What one client may take, and for how long: memory, an unfinished command, unread replies, the
// time before its login; and its end when the proxy stops. docs/protection.md has the table.
#include <linux/sockios.h>
#include <spdlog/spdlog.h>
#include <sys/ioctl.h>

#include <algorithm>
#include <utility>

#include "base/clock.h"
#include "proxy/front/session.h"

namespace sluice::proxy::front {

// Commands have been taken from the input, or (`took` false) there was no whole one, or no room.
void Session::input_processed(bool took) {
  const bool unfinished = !stalled_ && !input_.empty();
  limits_.input_processed(took, unfinished);
  if (unfinished || stalled_) worker_.patrol().enter(*this);
  note_login();
}

void Session::note_login() {
  if (limits_.login_became_due(authenticated())) worker_.patrol().enter(*this);
}

size_t Session::memory_bytes() const {
  return input_.capacity() + output_.capacity() + encoded_.capacity() + parser_.memory_bytes() +
         queue_.memory_bytes() + (pinned_ ? pinned_->buffered_bytes() : 0) +
         (transaction_ ? transaction_->bytes() : 0) + client_->name_bytes();
}

// What has grown is compared with its bounds; what has shrunk is given back.
void Session::check_bounds() {
  if (input_.empty() && input_.capacity() > kKeptBufferMax) input_.release();
  if (queue_.empty()) queue_.shrink();
  client_->input_bytes.store(static_cast<int64_t>(input_.size()), std::memory_order_relaxed);
  client_->output_bytes.store(static_cast<int64_t>(pending_output()), std::memory_order_relaxed);
  const Limits& limits = worker_.services().limits;
  if (!authenticated()) {
    const size_t unread = pending_output();
    const auto limit = static_cast<size_t>(limits.login_buffer_bytes);
    if (std::max(input_.size(), unread) > limit) return cut(CutReason::kLoginBuffer);
  }
  if (input_.size() > static_cast<size_t>(limits.query_buffer_bytes))
    return cut(CutReason::kQueryBuffer);
  const auto bytes = static_cast<int64_t>(memory_bytes());
  if (bytes == client_->memory_bytes.load(std::memory_order_relaxed)) return;
  worker_.services().memory.hold(*client_, bytes);
  if (bytes > limits.client_memory_bytes.load(std::memory_order_relaxed))
    cut(CutReason::kClientMemory);
}

// While memory is scarce, who holds much of it gets no more.
bool Session::must_wait_for_memory() {
  if (client_->memory_bytes.load(std::memory_order_relaxed) < MemoryBudget::kHeavyBytes ||
      !worker_.services().memory.tight()) {
    limits_.has_memory();
    return false;
  }
  limits_.wait_for_memory();
  worker_.patrol().enter(*this);
  return true;
}

bool Session::looked_at(int64_t now_us) {
  const auto self = shared_from_this();
  if (const auto reason = overdue(limits_.times(), facts(), worker_.services().limits, now_us)) {
    cut(*reason);
    return true;  // it has left the patrol
  }
  if (stalled_) read_ahead();
  if (limits_.needs_relief(now_us)) worker_.services().memory.relieve();
  if (limits_.waits_for_memory()) arm_read();
  return closed_ || !authenticated() || stalled_ || limits_.is_timed();
}

void Session::read_ahead() {
  const bool full = input_.size() >= limits_.read_ahead_max();
  if (full && authenticated() && limits_.stands_still(input_.size(), read_ahead_limit()))
    worker_.pacer().enter(read_ahead_);
  limits_.looked_at();
}

size_t Session::read_ahead_limit() const {
  return static_cast<size_t>(worker_.services().limits.client_memory_bytes / 2);
}

// What one read may bring.
size_t Session::piece() const {
  return stalled_ && limits_.reads_ahead() ? ClientLimits::kReadAheadStep : Worker::kReadBytes;
}

// One more piece; when it has come, the session enters again.
bool Session::ReadAhead::looked_at(int64_t) {
  const size_t size = session.input_.size();
  if (session.stalled_ && session.limits_.stands_still(size, session.read_ahead_limit())) {
    session.limits_.read_further(size);
    session.arm_read();
  }
  return false;
}

void Session::cut(CutReason reason) {
  tell_cut(reason);
  close();
}

void Session::tell_cut(CutReason reason) {
  Services& services = worker_.services();
  services.count(reason);
  if (services.may_log_cut(base::monotonic_us()))
    spdlog::warn("{} is cut: {}", describe(), explain(reason));
}

// What a client has not read when its connection is reset, since its input was not all read here,
// may be lost: so it is closed only when its kernel has taken the replies.
void Session::finish() {
  const bool may_last = blocked_ || relay_ || subscribed_ || large_left_ > 0;
  if (may_last) return close();
  if (!std::exchange(finishing_, true)) {
    closing_ = true;
    return reply_later();
  }
  int unsent = 0;
  if (::ioctl(client_->fd, SIOCOUTQ, &unsent) != 0) unsent = 0;
  if (queue_.empty() && output_.empty() && unsent == 0) close();
}

}  // namespace sluice::proxy::front
