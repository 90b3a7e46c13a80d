// Puts the replies of one client's commands into the order of the commands.
//
// Each command has a place; commands forwarded one after the other share one. Replies come from
// three sides: forwarded ones as bytes in order, the sale's by ticket in any order, local ones at
// once. Bytes whose turn has come go straight to the output; the others are held in their place.
//
//   commands:   SET GET | SECKILL.BUY | GET         queue: [forward 2][sale, ticket 8][forward 1]
//
// No sockets, no clock; the session's I/O thread only.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"

namespace sluice::proxy::front {

class ReplyQueue {
 public:
  // Makes of a whole reply the one that the client gets.
  using Rewrite = std::function<std::string(std::string_view reply)>;

  // `output` receives the replies; it outlives the queue.
  explicit ReplyQueue(base::Bytes& output) : output_(output) {}

  // Places for `commands` forwarded commands. True if they share the last place in the queue, so
  // that their bytes may come together with those of the commands before. `muted`: no reply is
  // wanted.
  bool add_forwarded(size_t commands, bool muted);
  // One forwarded command whose reply is rewritten when it is whole; also if nobody gets it, since
  // a rewrite may learn from it.
  void add_rewritten(Rewrite rewrite, bool muted);
  // One reply that fill() brings; returns its ticket.
  uint64_t add_ticket(bool muted);
  void add_local(std::string_view reply, bool muted);

  // Bytes of the oldest forwarded commands that are not complete; `replies` of them end here. All
  // replies in one call belong to one place.
  void forwarded_bytes(std::string_view bytes, size_t replies);
  // `replies` forwarded commands get `error` instead.
  void fail_forwarded(size_t replies, std::string_view error);
  void fill(uint64_t ticket, std::string_view reply);

  bool empty() const { return places_in_use_ == 0; }
  // Commands whose reply is not complete, or not yet due.
  size_t commands() const { return commands_; }
  // Bytes that wait for their turn.
  size_t held_bytes() const { return held_bytes_; }
  // What the queue takes, about.
  size_t memory_bytes() const { return held_bytes_ + ring_.size() * sizeof(Place); }
  // Gives back what a long pipeline took. Only while empty().
  void shrink();

 private:
  static constexpr size_t kKeptPlaces = 256;

  struct Place {
    enum class Kind : uint8_t { kForwarded, kTicket, kLocal } kind;
    bool muted = false;
    size_t commands = 0;  // not complete
    size_t completed = 0;
    std::string held;
    std::unique_ptr<Rewrite> rewrite;
  };

  Place& push(Place::Kind kind, size_t commands, bool muted);
  Place& at(uint64_t number) { return ring_[number & (ring_.size() - 1)]; }
  void hold(Place& place, std::string_view bytes);
  void release(Place& place);
  void advance();
  void grow();

  base::Bytes& output_;
  std::vector<Place> ring_;      // its size is 0 or a power of two
  uint64_t head_ = 0;            // number of the first place in use
  uint64_t next_forwarded_ = 0;  // no forwarded place before it is incomplete
  size_t places_in_use_ = 0;
  size_t commands_ = 0;
  size_t held_bytes_ = 0;
};

}  // namespace sluice::proxy::front
