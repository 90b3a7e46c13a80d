#include "proxy/upstream/pinned.h"

#include <cstdio>
#include <random>
#include <utility>

#include "resp/writer.h"

namespace sluice::proxy::upstream {
namespace {

constexpr std::string_view kAskCommand = "*2\r\n$4\r\nPING\r\n";   // the question follows
constexpr std::string_view kStillSubscribed = "*2\r\n$4\r\npong\r\n";  // the same
constexpr std::string_view kResetFrame = "+RESET\r\n";

// Another one each time, as RESP: a client that knew it could have Redis repeat it beforehand, and
// would be taken for a subscriber while Redis carries out whatever it sends.
std::string fresh_question() {
  std::random_device random;
  char digits[17];
  std::snprintf(digits, sizeof(digits), "%08x%08x", random(), random());
  std::string question;
  resp::append_bulk(question, std::string("sluice: still subscribed? ") + digits);
  return question;
}

}  // namespace

Pinned::Pinned(IoThread& thread, const Endpoint& endpoint, std::string& scratch,
               const LinkSetup& setup)
    : endpoint_(endpoint), setup_(setup), link_(thread, endpoint, scratch, *this) {
  link_.open(setup_);
}

void Pinned::forward(std::string_view bytes, size_t commands, bool same_run) {
  link_.out().append(bytes);
  if (!relay_ && commands > 0) {
    replies_ += commands;
    if (same_run && !runs_.empty()) runs_.back() += commands;
    else runs_.push_back(commands);
  }
  link_.flush_later();
}

void Pinned::forward_unseen(std::string_view bytes) {
  link_.out().append(bytes);
  ++unseen_;
  link_.flush_later();
}

void Pinned::link_bytes(std::string_view bytes) {
  while (!bytes.empty() && receiver_ != nullptr) {
    if (relay_ && unseen_ == 0 && replies_ == 0 && push_.empty()) {
      if (raw_) return receiver_->reply_bytes(bytes, 0);
      bytes = relay_bytes(bytes);
      continue;
    }
    const size_t expected = unseen_ > 0 || runs_.empty() ? 1 : runs_.front();
    const auto slice = scanner_.scan(bytes, expected);
    const std::string_view part = bytes.substr(0, slice.bytes);
    bytes.remove_prefix(slice.bytes);
    const bool surplus = !slice.push && unseen_ == 0 && replies_ == 0;
    if (slice.broken || surplus || (slice.push && !take_push(part, slice.replies > 0))) {
      return protocol_broken();
    }
    if (slice.push) continue;
    if (unseen_ > 0) {
      unseen_ -= slice.replies;
      continue;
    }
    replies_ -= slice.replies;
    if ((runs_.front() -= slice.replies) == 0) runs_.pop_front();
    begun_ = !scanner_.at_border();
    if (slice.deep) receiver_->replies_too_deep(slice.replies);
    else receiver_->reply_bytes(part, slice.replies);
  }
  // Nobody holds the connection, yet Redis speaks: it is not as clean as it was taken for.
  if (!bytes.empty()) link_.close();
}

void Pinned::protocol_broken() {
  link_.close();
  link_closed("its answer is not what the proxy expects");
}

void Pinned::start_relay() {
  relay_ = true;
  scanner_.count_inner_pushes(true);
}

void Pinned::ask_whether_relay_ended() {
  asked_ = true;
  const bool relaying = unseen_ == 0 && replies_ == 0 && push_.empty();
  frame_passed_ = relaying && !scanner_.at_border();
  question_ = fresh_question();
  link_.out().append(kAskCommand).append(question_);
  link_.flush_later();
}

void Pinned::link_ready() {
  was_up_ = true;
  for (auto& told : std::exchange(wants_id_, {})) told(link_.redis_id());
}

void Pinned::tell_redis_id(std::function<void(int64_t)> told) {
  if (link_.ready() || link_.closed()) return told(link_.redis_id());
  wants_id_.push_back(std::move(told));
}

// Returns what it did not take: the relay has ended.
std::string_view Pinned::relay_bytes(std::string_view bytes) {
  while (!bytes.empty() && relay_ && receiver_ != nullptr) {
    const auto slice = scanner_.scan(bytes, 1);
    if (slice.broken) {
      protocol_broken();
      return {};
    }
    const std::string_view part = bytes.substr(0, slice.bytes);
    bytes.remove_prefix(slice.bytes);
    const bool whole = slice.replies > 0;
    if (!asked_ || frame_passed_) {
      if (whole) frame_passed_ = false;
      receiver_->reply_bytes(part, 0);
      continue;
    }
    frame_.append(part);
    if (whole) {
      judge_frame();
    } else if (frame_.size() > kStillSubscribed.size() + question_.size()) {
      frame_passed_ = true;
      receiver_->reply_bytes(std::move(frame_), 0);
      frame_.clear();
    }
  }
  return bytes;
}

void Pinned::judge_frame() {
  const std::string frame = std::move(frame_);
  frame_.clear();
  was_reset_ = frame == kResetFrame;
  const bool subscribed = frame.starts_with(kStillSubscribed) &&
                          frame.compare(kStillSubscribed.size(), frame.npos, question_) == 0;
  const bool answer = subscribed || frame == question_;
  if (!answer) receiver_->reply_bytes(frame, 0);
  if (!answer && !was_reset_) return;
  asked_ = false;
  relay_ = subscribed;
  scanner_.count_inner_pushes(relay_);
  if (receiver_ != nullptr) receiver_->relay_ended();
}

// A push is handed on whole, because other replies may be written between two parts of it.
bool Pinned::take_push(std::string_view part, bool whole) {
  if (push_.size() + part.size() > PinnedPool::kPushBytesMax) return false;
  push_.append(part);
  if (!whole) return true;
  const std::string push = std::move(push_);
  push_.clear();
  receiver_->push_bytes(push);
  return true;
}

void Pinned::link_closed(const std::string& reason) {
  for (auto& told : std::exchange(wants_id_, {})) told(0);
  if (receiver_ == nullptr) return;
  const std::string error =
      was_up_ ? lost_error() : unreachable_error(endpoint_.text(), reason);
  runs_.clear();
  receiver_->replies_lost(std::exchange(replies_, 0), begun_, error);
  if (receiver_ != nullptr) receiver_->pinned_lost();
}

void Pinned::link_has_room() {
  if (std::exchange(room_wanted_, false) && receiver_ != nullptr) receiver_->upstream_has_room();
}

bool Pinned::reusable() const {
  return link_.ready() && !relay_ && unseen_ == 0 && replies_ == 0 && scanner_.at_border();
}

PinnedPool::PinnedPool(IoThread& thread, const Endpoint& endpoint, std::string& scratch,
                       std::atomic<int64_t>& open, const std::atomic<int64_t>& limit)
    : thread_(thread), endpoint_(endpoint), scratch_(scratch), open_(open), limit_(limit) {}

PinnedPool::~PinnedPool() {
  thread_.forget(*this);
  open_.fetch_sub(static_cast<int64_t>(idle_.size()));
}

Result<std::unique_ptr<Pinned>> PinnedPool::acquire(int protocol, int64_t database,
                                                    ReplyReceiver& receiver) {
  for (size_t i = idle_.size(); i-- > 0;) {
    const bool usable = idle_[i]->reusable();
    const LinkSetup& setup = idle_[i]->setup_;
    if (usable && (setup.protocol != protocol || setup.database != database)) continue;
    std::unique_ptr<Pinned> pinned = std::move(idle_[i]);
    idle_.erase(idle_.begin() + static_cast<ptrdiff_t>(i));
    if (!usable) {
      bury(std::move(pinned));
      continue;
    }
    pinned->receiver_ = &receiver;
    pinned->link_.pause_reading(false);
    return pinned;
  }
  const int64_t limit = limit_.load(std::memory_order_relaxed);
  if (open_.load(std::memory_order_relaxed) >= limit && !idle_.empty()) {
    bury(std::move(idle_.front()));
    idle_.erase(idle_.begin());
  }
  if (open_.fetch_add(1) >= limit) {
    open_.fetch_sub(1);
    return Error(ErrorClass::kNoSpace,
                 "ERR Sluice: too many clients hold a Redis connection of their own "
                 "(limits.pinned_connections = " + std::to_string(limit) + "); retry later");
  }
  auto pinned = std::make_unique<Pinned>(thread_, endpoint_, scratch_,
                                         LinkSetup{protocol, database, true});
  pinned->receiver_ = &receiver;
  return pinned;
}

void PinnedPool::give_back(std::unique_ptr<Pinned> pinned, bool clean) {
  pinned->receiver_ = nullptr;
  for (auto& told : std::exchange(pinned->wants_id_, {})) told(0);
  // What is kept here the other threads cannot have: leave them a quarter.
  const int64_t limit = limit_.load(std::memory_order_relaxed);
  const bool room = open_.load(std::memory_order_relaxed) < limit - limit / 4;
  if (clean && room && pinned->reusable() && idle_.size() < kIdleMax)
    idle_.push_back(std::move(pinned));
  else
    bury(std::move(pinned));
}

void PinnedPool::bury(std::unique_ptr<Pinned> pinned) {
  pinned->link_.close();
  open_.fetch_sub(1);
  dead_.push_back(std::move(pinned));
  thread_.at_turn_end(*this);
}

}  // namespace sluice::proxy::upstream
