// The proxies that sell through one Redis, as its shelves tell. What they say of them:
// docs/architecture.md.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>

#include "base/error.h"
#include "ctl/redis_connection.h"

namespace sluice::ctl {

using Lane = uint32_t;
using LaneSet = std::set<Lane>;

// What all shelves together say of one proxy.
struct Peer {
  bool is_member = false;
  std::string journal, host;
  int64_t beat_ms = 0;  // the last one, by Redis's clock; 0: it has stopped in order
  std::map<uint32_t, std::string> members;  // by shelf: the whole field, new with each beat
  std::map<Lane, size_t> known_on;          // whom it knows, on how many shelves
  size_t knows_on = 0;                      // on how many it says whom it knows
  bool is_given_up = false;
  size_t waited_for_on = 0;  // on how many shelves others wait for it
};
using Peers = std::map<Lane, Peer>;

// Of all these shelves.
Result<Peers> read_peers(RedisConnection& redis, uint32_t shelves);

// What its clock says.
Result<int64_t> redis_time_ms(RedisConnection& redis);

}  // namespace sluice::ctl
