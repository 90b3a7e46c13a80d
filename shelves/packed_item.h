// An item's whole state as the scripts keep it, in one field of the shelf's hash. The other side is
// proxy/sale/scripts/packed_item.lua; a test lets each read what the other wrote.
//
//   offset  bytes            little-endian
//   0       4  stock         given in all
//   4       4  sold          less what was cancelled
//   8       4  fields        of the buyers hash
//   12      4  early         cancels that came back before their orders
//   16      8  born          an id of the lane that created it; tells items of one name apart
//   24      4  initial       stock of its CREATE
//   28      4  limit         units a buyer; 0: none
//   32      8  start         ms since 1970; 0: none; so are all times
//   40      8  end
//   48      8  hold          ms until an unpaid order expires; 0: never
//   56      8  since         when the state was last set
//   64      4  state         1 open, 2 closed, 3 being deleted
//   68      8  changed       when limit, start, end and hold were last set
//   76      8  checksum      of the 19 words of 4 bytes before, each times its weight
//
// The weights are the primes from 3 on. So the sum is exact as a double, which is what Lua counts
// with; any one number that was edited by hand shows; and a script that changes three numbers
// computes the next sum from the last one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/error.h"

namespace sluice::shelves {

inline constexpr size_t kPackedItemBytes = 84;

struct PackedItem {
  enum class State : uint32_t { kOpen = 1, kClosed = 2, kDeleting = 3 };

  uint32_t stock = 0, sold = 0, fields = 0, early = 0;
  uint64_t born = 0;
  uint32_t initial = 0, limit = 0;
  int64_t start_ms = 0, end_ms = 0, hold_ms = 0, since_ms = 0, changed_ms = 0;
  State state = State::kOpen;

  friend bool operator==(const PackedItem&, const PackedItem&) = default;
};

std::string pack(const PackedItem& item);
// kCorrupt: of another length, with another checksum, or in no known state.
Result<PackedItem> unpack(std::string_view packed);

}  // namespace sluice::shelves
