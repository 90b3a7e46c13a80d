#include "proxy/front/reply_queue.h"

#include <algorithm>
#include <utility>

#include "base/error.h"

namespace sluice::proxy::front {

bool ReplyQueue::add_forwarded(size_t commands, bool muted) {
  if (places_in_use_ > 0) {
    Place& last = at(head_ + places_in_use_ - 1);
    const bool joinable = last.kind == Place::Kind::kForwarded && last.commands > 0 &&
                          last.muted == muted && last.rewrite == nullptr;
    if (joinable) {
      last.commands += commands;
      commands_ += commands;
      return true;
    }
  }
  push(Place::Kind::kForwarded, commands, muted);
  return false;
}

void ReplyQueue::add_rewritten(Rewrite rewrite, bool muted) {
  push(Place::Kind::kForwarded, 1, muted).rewrite = std::make_unique<Rewrite>(std::move(rewrite));
}

uint64_t ReplyQueue::add_ticket(bool muted) {
  push(Place::Kind::kTicket, 1, muted);
  return head_ + places_in_use_ - 1;
}

void ReplyQueue::add_local(std::string_view reply, bool muted) {
  if (muted) return;
  if (empty()) {
    output_.append(reply);
    return;
  }
  Place& place = push(Place::Kind::kLocal, 1, false);
  hold(place, reply);
  place.commands = 0;
  place.completed = 1;
}

void ReplyQueue::forwarded_bytes(std::string_view bytes, size_t replies) {
  SLUICE_ASSERT(places_in_use_ > 0, "a reply that no command waits for");
  while (at(next_forwarded_).kind != Place::Kind::kForwarded || at(next_forwarded_).commands == 0) {
    ++next_forwarded_;
    SLUICE_ASSERT(next_forwarded_ < head_ + places_in_use_, "a reply that no command waits for");
  }
  Place& place = at(next_forwarded_);
  SLUICE_ASSERT(replies <= place.commands, "more replies than commands");
  const bool due = next_forwarded_ == head_ && place.rewrite == nullptr;
  // Also without a wish for it, a reply to be rewritten is told to its rewrite.
  if (due) {
    if (!place.muted) output_.append(bytes);
  } else if (!place.muted || place.rewrite != nullptr) {
    hold(place, bytes);
  }
  place.commands -= replies;
  place.completed += replies;
  if (due) {
    commands_ -= std::exchange(place.completed, 0);
    if (place.commands > 0) return;
  }
  advance();
}

void ReplyQueue::fail_forwarded(size_t replies, std::string_view error) {
  for (size_t i = 0; i < replies; ++i) forwarded_bytes(error, 1);
}

void ReplyQueue::fill(uint64_t ticket, std::string_view reply) {
  SLUICE_ASSERT(ticket >= head_ && ticket < head_ + places_in_use_, "no such ticket");
  Place& place = at(ticket);
  SLUICE_ASSERT(place.kind == Place::Kind::kTicket && place.commands == 1, "ticket filled twice");
  place.commands = 0;
  place.completed = 1;
  if (!place.muted) {
    // Nearly always the one that is due.
    if (ticket == head_) output_.append(reply);
    else hold(place, reply);
  }
  advance();
}

ReplyQueue::Place& ReplyQueue::push(Place::Kind kind, size_t commands, bool muted) {
  if (places_in_use_ == ring_.size()) grow();
  Place& place = at(head_ + places_in_use_++);
  place.kind = kind;
  place.muted = muted;
  place.commands = commands;
  place.completed = 0;
  commands_ += commands;
  return place;
}

void ReplyQueue::hold(Place& place, std::string_view bytes) {
  place.held.append(bytes);
  held_bytes_ += bytes.size();
}

void ReplyQueue::release(Place& place) {
  held_bytes_ -= place.held.size();
  if (place.rewrite != nullptr) {
    const std::string reply = (*place.rewrite)(place.held);
    if (!place.muted) output_.append(reply);
    place.rewrite.reset();
  } else {
    output_.append(place.held);
  }
  // A small buffer is kept for the next command in this place, a large one is given back.
  if (place.held.capacity() > 1024) std::string().swap(place.held);
  place.held.clear();
  commands_ -= std::exchange(place.completed, 0);
}

// Writes out what has become due, and frees the places that are complete.
void ReplyQueue::advance() {
  while (places_in_use_ > 0) {
    Place& place = at(head_);
    // A rewritten reply is due only when it is whole.
    if (place.commands > 0 && place.rewrite != nullptr) return;
    release(place);
    if (place.commands > 0) return;
    ++head_;
    --places_in_use_;
    next_forwarded_ = std::max(next_forwarded_, head_);
  }
}

void ReplyQueue::shrink() {
  if (ring_.size() > kKeptPlaces) std::vector<Place>().swap(ring_);
}

void ReplyQueue::grow() {
  std::vector<Place> larger(std::max<size_t>(4, ring_.size() * 2));
  for (size_t i = 0; i < places_in_use_; ++i)
    larger[(head_ + i) & (larger.size() - 1)] = std::move(at(head_ + i));
  ring_ = std::move(larger);
}

}  // namespace sluice::proxy::front
