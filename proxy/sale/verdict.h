// What the purchase script decided about an operation: a line of its answer.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "proxy/sale/operation.h"

namespace sluice::proxy::sale {

// A letter and its numbers.
struct Verdict {
  enum class Kind : char {
    kUnknown = '?',  // an operation that the script does not know
    kAccepted =
        'A',  // of a payment, cancel or expiry: the quantity, and of a cancel 1 if the
              // order was paid; of a close or reopen: its record's time in ms; of a change: limit,
              // start, end and hold now, and that time; of a deletion: 1 if it was the last lane's
    kRepeated = 'R',   // the same request was accepted before; of a purchase: its order
    kCancelled = 'K',  // of a purchase whose request was accepted before: its order, which is not
                       // live any more; of a payment: nothing
    kPaid = 'P',       // to be cancelled only with REFUND
    kExpired = 'G',    // the order that is to be paid
    kHeld = 'H',       // not to expire yet; the item's hold in ms
    kLimit = 'L',      // bought so far, the last order
    kSoldOut = 'S',
    kNotStarted = 'B',  // starts, ms since 1970
    kEnded = 'E',       // ended, ms since 1970
    kClosed = 'C',
    kNotFound = 'N',   // no such item, no such order
    kAlready = 'D',    // cancelled, paid or over already; of a creation: it is being deleted
    kRefused = 'X',    // would leave the bounds; exists with other settings; closed for too long
    kFound = 'F',      // an order: id, quantity; its status
    kDescribed = 'T',  // an item: stock, sold, limit, start, end, hold; flag: open
    kOnSale = 'V',     // not to be deleted
    kToConfirm = 'W',  // its checksum: to be deleted if it still has that later
  };
  // Of a verdict's first letter; nullopt: no verdict begins with it.
  static std::optional<Kind> kind_of(std::string_view letter);

  Kind kind = Kind::kUnknown;
  bool flag = false;
  std::string_view status;  // kFound: a literal, "placed", "paid", "cancelled" or "expired"
  bool is_dead = false;     // kFound: MySQL refuses the order
  std::array<int64_t, 6> numbers{};
  int64_t remaining = 0;  // of the item's stock, right after the operation

  bool accepted() const { return kind == Kind::kAccepted; }
};

// An accepted operation that the journal must have.
inline bool is_fact(const Operation& op, const Verdict& verdict) {
  return verdict.accepted() && writes(op.verb);
}

// One verdict for each of these operations, which begin with `remaining` units of their item; in
// lines. nullopt: the text is anything else. A number that is missing must not pass for 0.
std::optional<std::vector<Verdict>> parse_verdicts(std::string_view text,
                                                   std::span<const Operation> operations,
                                                   int64_t remaining);

// What an accepted operation adds to its item's remaining stock.
int64_t remaining_change(const Operation& op, const Verdict& verdict);

}  // namespace sluice::proxy::sale
