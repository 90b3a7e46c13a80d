// Finds the other proxies that stand on any shelf, before the gate asks for the first.
//
// Whoever stands on one shelf may have sold from all of them, also from one that Redis has just
// lost with all who stood there: a newcomer that did not know of them would open it as new. So
// all shelves are looked at, those of other threads too, and who was not known is written down
// (lanes.h) first. With another number of shelves the program ends before it makes any. One a gate,
// on its thread.
#pragma once

#include <cstdint>
#include <functional>
#include <set>

#include "proxy/sale/shared.h"
#include "proxy/upstream/redis_client.h"

namespace sluice::proxy::sale {

class Roster {
 public:
  // `complete` is called once all others that look() has found are in the peers file.
  Roster(upstream::RedisClient& redis, Shared& shared, std::function<void()> complete)
      : redis_(redis), shared_(shared), complete_(std::move(complete)) {}

  void look();
  // The connection is gone.
  void lost();
  bool is_looking() const { return under_way_ > 0 || waits_; }
  // Looks whether the file has them by now. Called now and then.
  void poll();

 private:
  bool look_at(uint32_t shelf, const upstream::Reply& fields);
  void meet(uint64_t lane, const upstream::Reply& fields);
  void answered();

  upstream::RedisClient& redis_;
  Shared& shared_;
  const std::function<void()> complete_;
  std::set<uint64_t> found_;
  size_t under_way_ = 0;  // calls
  bool waits_ = false;    // for the file
};

}  // namespace sluice::proxy::sale
