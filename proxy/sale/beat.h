// One owner thread's heartbeat: keeps this proxy known on each of its shelves, learns there of the
// others, and notices what they and Redis have done.
//
//   twice a second, for each shelf that was through the gate: beat.lua ─► BeatEvents, Lanes
//
// On a shelf stand, of each lane L, `@member:L` (journal, incarnation, host, time and number of
// its last beat), `@knows:L` (whom L has in its `peers` file) and `@forget:L` (given up by an
// operator). A number that is older than one which Redis has taken already means that Redis went
// back in time. One a thread, on its connection.
#pragma once

#include <boost/asio/steady_timer.hpp>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "proxy/sale/beat_events.h"
#include "proxy/sale/shared.h"
#include "proxy/sale/shelf_map.h"
#include "proxy/upstream/io_thread.h"
#include "proxy/upstream/redis_client.h"

namespace sluice::proxy::sale {

class Beat {
 public:
  Beat(upstream::IoThread& thread, upstream::RedisClient& redis, Shared& shared,
       ShelfMap& shelves, BeatEvents& events);

  // The connection is up, to the Redis with this replication id; or it is gone.
  void connected(const std::string& replication_id);
  void lost();
  // Beats for the last time, so that nobody waits until the beat is old, and calls `done`; not
  // called if the connection is lost before.
  void stop(std::function<void()> done);

 private:
  // A call, as it left.
  struct Sent {
    int64_t number = 0;
    size_t created = 0;  // items that no beat had counted
  };
  struct Pulse {
    int64_t confirmed = 0;  // the number of the last call that Redis is known to have taken
    int64_t items = 0;      // counted into shared_.items
  };

  void schedule();
  void beat();
  void check_process();
  void call(Shelf& shelf, bool last, std::function<void()> done);
  void answered(Shelf& shelf, const upstream::Reply& reply, const Sent& sent);
  void take(Shelf& shelf, const upstream::Reply& reply, const Sent& sent);
  void meet(std::string_view member);
  bool waits() const;
  Pulse& pulse_of(const Shelf& shelf);

  upstream::RedisClient& redis_;
  Shared& shared_;
  ShelfMap& shelves_;
  BeatEvents& events_;
  boost::asio::steady_timer timer_;
  std::string replication_id_;  // empty: no connection
  std::vector<Pulse> pulses_;   // by number of the shelf
  size_t under_way_ = 0;
  bool stopped_ = false;
};

}  // namespace sluice::proxy::sale
