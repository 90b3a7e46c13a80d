// The owner thread's side of what is known of sold-out items: learns it from the answers to
// batches, loads the buyers, and takes it back in time.
//
//   answer "sold out" ─► load: HSCAN of the buyers, a chunk at a time ─► publish ─► renew()
//   any other answer, restock, cancel, gate, lost connection ─► revoke()
//
// Who has bought is known by the number of fields in the buyers hash, which every answer tells from
// before and after its batch: while an item lives (one epoch) users only come, so as long as the
// number is the one that was loaded, and grows only by purchases seen here, the filter has them
// all. If it grew otherwise another proxy has sold: the filter is dropped and loaded anew.
//
// One per coalescer, called by it, on its thread.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>
#include <unordered_set>

#include "proxy/sale/item.h"
#include "proxy/sale/shared.h"
#include "proxy/sale/sold_out_board.h"
#include "proxy/upstream/redis_client.h"

namespace sluice::proxy::sale {

class SoldOutKeeper {
 public:
  SoldOutKeeper(upstream::RedisClient& redis, Shared& shared, SoldOutBoard& board)
      : redis_(redis), shared_(shared), board_(board) {}

  // Redis has applied the batch. In the order of the batches, and before anybody is told.
  void answered(Item& item, const Batch& batch, const Answer& answer);
  // What is known of the item, or of all, may not be true any more.
  void drop(Item& item);
  void drop_all();
  // … and nothing is learned from now on.
  void stop();
  // Gives back the memory of items that nobody asks for. Called now and then.
  void forget_idle(int64_t now_us);

 private:
  static bool follows(const SoldOutWatch& watch, const Answer& answer);
  void add_buyers(SoldOutWatch& watch, const Batch& batch, const Answer& answer);
  void renew(SoldOut& view, int64_t remaining, int64_t asked_us, int64_t ends_in_ms);
  void load(Item& item, const Answer& answer, int64_t now_us);
  void scan(Item& item, std::string_view cursor);
  void scanned(Item& item, const upstream::Reply& reply);
  void loaded(Item& item);
  static int64_t rest(SoldOutWatch& watch, int64_t now_us);
  void drop_view(SoldOutWatch& watch);

  upstream::RedisClient& redis_;
  Shared& shared_;
  SoldOutBoard& board_;
  std::unordered_set<Item*> items_;  // those with Item::sold_out
  std::weak_ptr<SoldOut> loading_;   // one at a time: Redis has purchases to decide
  int64_t next_idle_look_us_ = 0;
  bool stopped_ = false;
};

}  // namespace sluice::proxy::sale
