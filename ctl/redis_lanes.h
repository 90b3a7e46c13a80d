// What stands of proxies on the shelves of a Redis, as operators' commands change it: a lane taken
// over into another journal, a proxy given up. Fields: docs/architecture.md.
#pragma once

#include <cstdint>
#include <set>
#include <string>

#include "base/error.h"
#include "ctl/redis_connection.h"

namespace sluice::ctl {

class RedisLanes {
 public:
  explicit RedisLanes(RedisConnection& redis) : redis_(redis) {}

  // kRefused: one of them beat a moment ago, so it runs.
  Status check_dead(const std::set<uint32_t>& lanes);
  // The lanes' sequences, beats and receipts go, and every shelf is to be made anew from the
  // journals of those that are left; it opens only once `heir` has replayed, too.
  Status take_over(const std::set<uint32_t>& lanes, uint32_t heir);
  // Those that shelves know and nobody has given up.
  Result<std::set<uint32_t>> known();
  // On how many shelves the lane has sold, and items are.
  Result<uint32_t> shelves_held_by(uint32_t lane);

 private:
  RedisConnection& redis_;
};

}  // namespace sluice::ctl
