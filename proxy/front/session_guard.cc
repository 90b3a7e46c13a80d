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
namespace {

constexpr int64_t kSecondUs = 1'000'000;
// An unfinished command may take a second longer for each of these that has arrived: large
// arguments pass over slow lines, a byte a second does not.
constexpr size_t kBytesASecond = 64 * 1024;
// How long clients may wait for memory before those that hold most have to go.
constexpr int64_t kMemoryWaitUs = kSecondUs;

}  // namespace

// Commands have been taken from the input, or (`took` false) there was no whole one, or no room.
void Session::input_processed(bool took) {
  if (took) {
    progressed_ = true;
    read_ahead_max_ = kReadAheadMin;
  }
  const bool unfinished = !stalled_ && !input_.empty();
  if (!unfinished) command_begun_us_ = 0;
  else if (took || command_begun_us_ == 0) command_begun_us_ = base::monotonic_us();
  if (unfinished || stalled_) worker_.patrol().enter(*this);
  note_login();
}

void Session::note_login() {
  if (authenticated()) {
    login_due_us_ = 0;
  } else if (login_due_us_ == 0) {
    login_due_us_ = base::monotonic_us();
    worker_.patrol().enter(*this);
  }
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
    waits_for_memory_us_ = 0;
    return false;
  }
  if (waits_for_memory_us_ == 0) waits_for_memory_us_ = base::monotonic_us();
  worker_.patrol().enter(*this);
  return true;
}

std::optional<CutReason> Session::overdue(int64_t now_us) const {
  const Limits& limits = worker_.services().limits;
  const auto over = [now_us](int64_t since_us, int64_t limit_us, int64_t grace_us = 0) {
    return since_us != 0 && limit_us != 0 && now_us - since_us >= limit_us + grace_us;
  };
  if (!authenticated() && over(login_due_us_, limits.login_timeout_us))
    return CutReason::kLoginTime;
  const auto grace_s = static_cast<int64_t>(input_.size() / kBytesASecond);
  if (over(command_begun_us_, limits.request_timeout_us, grace_s * kSecondUs))
    return CutReason::kRequestTime;
  const auto pause = static_cast<size_t>(limits.output_pause_bytes.load());
  const bool matters = closing_ || end_of_input_ || pending_output() > pause;
  if (matters && over(output_waits_us_, limits.output_timeout_us)) return CutReason::kOutputTime;
  return std::nullopt;
}

bool Session::looked_at(int64_t now_us) {
  const auto self = shared_from_this();
  if (const auto reason = overdue(now_us)) {
    cut(*reason);
    return true;  // it has left the patrol
  }
  if (stalled_) read_ahead();
  if (waits_for_memory_us_ != 0) {
    if (now_us - waits_for_memory_us_ >= kMemoryWaitUs) worker_.services().memory.relieve();
    arm_read();
  }
  return closed_ || !authenticated() || stalled_ || command_begun_us_ != 0 ||
         output_waits_us_ != 0 || waits_for_memory_us_ != 0;
}

// A client that writes all its commands before it reads a reply must be able to finish writing, or
// it and the proxy would wait for each other for ever. So while nothing moves, its commands are
// taken in, at a pace that hurts nobody (8 MiB/s), but not carried out.
void Session::read_ahead() {
  const bool full = input_.size() >= read_ahead_max_ && input_.size() < read_ahead_limit();
  if (full && !progressed_ && authenticated()) worker_.pacer().enter(read_ahead_);
  progressed_ = false;
}

size_t Session::read_ahead_limit() const {
  return static_cast<size_t>(worker_.services().limits.client_memory_bytes / 2);
}

// What one read may bring.
size_t Session::piece() const {
  return stalled_ && read_ahead_max_ > kReadAheadMin ? kReadAheadStep : Worker::kReadBytes;
}

// One more piece; when it has come, the session enters again.
bool Session::ReadAhead::looked_at(int64_t) {
  const size_t size = session.input_.size();
  if (session.stalled_ && !session.progressed_ && size < session.read_ahead_limit()) {
    session.read_ahead_max_ = size + kReadAheadStep;
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
