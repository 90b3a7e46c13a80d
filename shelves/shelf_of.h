// Which shelf an item belongs to, and what the keys of a shelf are called in Redis. Everyone who
// reads or writes them takes the names from here.
//
// The number of shelves is fixed when the first of journal, Redis and MySQL sees it, so a shelf's
// number means the same for ever.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/crc32c.h"

namespace sluice::shelves {

inline constexpr uint32_t kCountMax = 4096;

inline uint32_t shelf_of(std::string_view item, uint32_t count) {
  return base::crc32c(item) % count;
}

// All keys of a shelf have its tag, so they are in one slot of a cluster.
inline std::string shelf_key(uint32_t shelf) {
  return "sluice:{" + std::to_string(shelf) + "}:shelf";
}
inline std::string buyers_key(uint32_t shelf, std::string_view item) {
  return "sluice:{" + std::to_string(shelf) + "}:buyers:" + std::string(item);
}
inline std::string receipts_key(uint32_t shelf, std::string_view lane) {
  return "sluice:{" + std::to_string(shelf) + "}:receipts:" + std::string(lane);
}

// Fields of the shelf's hash that are its own begin with it; the others are items, by their names.
inline constexpr char kOwnField = '@';

inline std::string lane_field(std::string_view lane) { return "@lane:" + std::string(lane); }

}  // namespace sluice::shelves
