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
// One an owner thread, called by its coalescer.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>

#include "proxy/sale/purchase_answer.h"
#include "proxy/sale/shared.h"
#include "proxy/sale/shelf.h"
#include "proxy/sale/sold_out_board.h"
#include "proxy/upstream/redis_client.h"

namespace sluice::proxy::sale {

class SoldOutKeeper {
 public:
  SoldOutKeeper(upstream::RedisClient& redis, Shared& shared, SoldOutBoard& board)
      : redis_(redis), shared_(shared), board_(board) {}

  // Redis has applied the batch. In the order of the batches, and before anybody is told.
  void answered(const Shelf& shelf, const ShelfBatch& batch, const CallAnswer& answer);
  // What is known of the shelf's items, or of all, may not be true any more.
  void drop(const Shelf& shelf);
  void drop_all();
  // … and nothing is learned from now on.
  void stop();
  // Gives back the memory of items that nobody asks for. Called now and then.
  void forget_idle(int64_t now_us);

 private:
  // What is kept of an item that was sold out lately.
  struct Watch {
    std::string name, buyers_key;
    uint32_t shelf = 0;
    std::shared_ptr<SoldOut> view;  // null: nothing is known
    bool loaded = false;            // all buyers are in it, and it is published
    uint64_t epoch = 0, born = 0;
    uint64_t fields = 0;  // of the buyers hash, as of the last answer
    uint64_t room = 0;    // buyers who may still be added
    int64_t load_began_us = 0;
    int64_t next_load_us = 0;  // not before
    int64_t renewed_us = 0;    // when Redis was last asked and said so
  };
  // An item's part of a batch: its operations, their verdicts, and what else Redis told.
  struct Part {
    std::span<const Operation> operations;
    std::span<const Verdict> verdicts;
    const ItemAnswer& item;
    uint64_t epoch;
    int64_t sent_us;
  };

  void answered(const Shelf& shelf, const Part& part);
  static bool follows(const Watch& watch, const Part& part);
  void add_buyers(Watch& watch, const Part& part);
  void renew(SoldOut& view, int64_t remaining, int64_t asked_us, int64_t ends_in_ms);
  void load(Watch& watch, const Part& part, int64_t now_us);
  void scan(Watch& watch, std::string_view cursor);
  void scanned(Watch& watch, const upstream::Reply& reply);
  void loaded(Watch& watch);
  static int64_t rest(Watch& watch, int64_t now_us);
  void drop_view(Watch& watch);

  upstream::RedisClient& redis_;
  Shared& shared_;
  SoldOutBoard& board_;
  std::unordered_map<std::string, std::unique_ptr<Watch>> watches_;  // by item
  std::weak_ptr<SoldOut> loading_;  // one at a time: Redis has purchases to decide
  int64_t next_idle_look_us_ = 0;
  bool stopped_ = false;
};

}  // namespace sluice::proxy::sale
