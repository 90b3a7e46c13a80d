#include "proxy/upstream/pipe.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <chrono>
#include <utility>

#include "resp/writer.h"

namespace sluice::proxy::upstream {

std::string lost_error() {
  return "-ERR Sluice: connection to Redis lost before its reply; the command may or may not have "
         "run\r\n";
}

std::string unreachable_error(const std::string& endpoint, const std::string& reason) {
  if (reason.starts_with('-')) return reason + "\r\n";  // an error of Redis's own
  std::string line;
  resp::append_error(line, "ERR Sluice: Redis at " + endpoint + " is not reachable: " + reason +
                               "; retry later");
  return line;
}

Pipe::Pipe(IoThread& thread, const Endpoint& endpoint, std::string& scratch, const LinkSetup& setup)
    : endpoint_(endpoint),
      setup_(setup),
      link_(thread, endpoint, scratch, *this),
      timer_(thread.context()),
      delay_us_(endpoint.reconnect_delay_us) {}

Pipe::~Pipe() { timer_.cancel(); }

void Pipe::open() { link_.open(setup_); }

bool Pipe::forward(std::string_view bytes, size_t commands, ReplyReceiver& receiver,
                   bool same_run) {
  if (down_) return false;
  if (last_sender_ != &receiver) {
    last_sender_ = &receiver;
    ++handovers_;
  }
  link_.out().append(bytes);
  if (same_run && !fifo_.empty() && fifo_.back().receiver == &receiver)
    fifo_.back().replies += commands;
  else
    fifo_.push_back({&receiver, commands});
  link_.flush_later();
  return true;
}

void Pipe::abandon(const ReplyReceiver& receiver) {
  forget(fifo_, receiver);
  if (lost_ != nullptr) forget(*lost_, receiver);
  std::replace(waiting_.begin(), waiting_.end(), const_cast<ReplyReceiver*>(&receiver),
               static_cast<ReplyReceiver*>(nullptr));
}

void Pipe::forget(std::deque<Waiter>& waiters, const ReplyReceiver& receiver) {
  for (Waiter& waiter : waiters) {
    if (waiter.receiver == &receiver) waiter.receiver = nullptr;
  }
}

void Pipe::link_ready() {
  if (down_) spdlog::info("Redis at {} is reachable again", endpoint_.text());
  down_ = false;
  was_up_ = true;
  delay_us_ = endpoint_.reconnect_delay_us;
  if (ready_) ready_();
}

void Pipe::link_bytes(std::string_view bytes) {
  while (!bytes.empty()) {
    const size_t expected = fifo_.empty() ? 1 : fifo_.front().replies;
    const auto slice = scanner_.scan(bytes, expected);
    if (slice.broken || (!slice.push && fifo_.empty())) {
      link_.close();
      return link_closed(slice.broken ? "its answer is not the Redis protocol"
                                      : "it sent a reply that nobody asked for");
    }
    const std::string_view part = bytes.substr(0, slice.bytes);
    bytes.remove_prefix(slice.bytes);
    if (slice.push) continue;
    Waiter& front = fifo_.front();
    ReplyReceiver* receiver = front.receiver;
    front.replies -= slice.replies;
    if (front.replies == 0) fifo_.pop_front();
    if (receiver == nullptr) continue;
    if (slice.deep) receiver->replies_too_deep(slice.replies);
    else receiver->reply_bytes(part, slice.replies);
  }
}

void Pipe::link_closed(const std::string& reason) {
  if (!down_) spdlog::warn("Redis at {} is not reachable: {}", endpoint_.text(), reason);
  down_ = true;
  down_error_ = unreachable_error(endpoint_.text(), reason);
  const bool begun = !scanner_.at_border();
  scanner_.reset();
  reconnect_later();
  const std::string error = was_up_ ? lost_error() : down_error_;
  if (std::exchange(was_up_, false) && on_lost_) on_lost_();
  std::deque<Waiter> lost = std::exchange(fifo_, {});
  lost_ = &lost;
  for (size_t i = 0; i < lost.size(); ++i) {
    if (ReplyReceiver* receiver = std::exchange(lost[i].receiver, nullptr))
      receiver->replies_lost(lost[i].replies, begun && i == 0, error);
  }
  lost_ = nullptr;
  link_has_room();
}

void Pipe::link_has_room() {
  for (ReplyReceiver* receiver : std::exchange(waiting_, {})) {
    if (receiver != nullptr) receiver->upstream_has_room();
  }
}

void Pipe::reconnect_later() {
  timer_.expires_after(std::chrono::microseconds(delay_us_));
  delay_us_ = std::min(delay_us_ * 2, endpoint_.reconnect_delay_max_us);
  timer_.async_wait([this](const boost::system::error_code& error) {
    if (!error) link_.open(setup_);
  });
}

}  // namespace sluice::proxy::upstream
