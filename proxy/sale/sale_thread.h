// One owner thread's part of the sale: builds its connection, shelves, gate, coalescer and beat,
// and is the only one that knows them all.
//
//   RedisClient ─ up, gone ─► Gate ─ ShelfEvents ─► Coalescer
//                             ▲ │ connected
//                  BeatEvents │ ▼
//                             Beat                       ▲
//                                      Retention ────────┘
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "proxy/sale/beat.h"
#include "proxy/sale/coalescer.h"
#include "proxy/sale/gate.h"
#include "proxy/sale/refusals.h"
#include "proxy/sale/retention.h"
#include "proxy/sale/shared.h"
#include "proxy/sale/shelf_map.h"
#include "proxy/upstream/inbox.h"
#include "proxy/upstream/io_thread.h"
#include "proxy/upstream/redis_client.h"

namespace sluice::proxy::sale {

class SaleThread {
 public:
  // One of `threads`; all that is given by reference outlives it. `wake_all` wakes each of them.
  SaleThread(upstream::IoThread& thread, upstream::Inbox& inbox, const upstream::Endpoint& redis,
             Shared& shared, FlusherPort& flusher, size_t threads, SoldOutBoard& sold_out,
             Coalescer::Deliver deliver, std::function<void()> wake_all);

  // What recovery found in the journal of one of its shelves. Before start().
  void know_shelf(uint32_t shelf, uint64_t lane_sequence, uint64_t journal_sequence);

  // On the thread, like all below but for ready() and what follows it.
  void start();
  // Refuses what is new from now on, lets what waits be decided (for a bounded time), answers the
  // rest with -UNKNOWNSTATE, closes the connection, then calls `stopped`.
  void stop(std::function<void()> stopped);
  void wake() { gate_.wake(); }
  void submit(Operation&& op) { coalescer_.submit(std::move(op)); }

  upstream::RedisClient& redis() { return redis_; }
  bool ready() const { return gate_.ready(); }
  std::string why_not_ready() const { return gate_.why_not_ready(); }
  ShelfReport report_of_shelves() const { return gate_.report_of_shelves(); }

 private:
  void came_up();
  void lost(const Error& why);
  void close(std::function<void()> stopped);

  upstream::IoThread& thread_;
  Shared& shared_;
  upstream::RedisClient redis_;
  ShelfMap shelves_;
  RefusalLog refusals_;
  Coalescer coalescer_;
  Gate gate_;
  Beat beat_;
  Retention retention_;
  boost::asio::steady_timer stop_timer_;
  bool stopping_ = false, closed_ = false;
  bool is_up_ = false;  // the connection to Redis
};

}  // namespace sluice::proxy::sale
