// Orders that were bought here and are not paid yet, until they are, or are cancelled, or expire.
//
//   verdicts ─► bought() ─► unpaid, by item, oldest first ─tick: older than the hold─► Submit
//   Redis ─ a shelf opened ─► scan of its buyers ──▲              the script decides ─► answered()
//
// An item's hold is one number, so its orders fall due in the order of their ids: one look at the
// oldest tells, and no order needs a timer. Ages count by the monotonic clock; of an order that an
// earlier process sold the age is what the wall clock says against the time in its id, and never
// less than nothing or more than the hold. Redis decides whether an order expires, so it does once,
// also when it is paid at the same moment or two proxies ask; what is kept here only tells when to
// ask. An answer that does not come is asked for again when the shelf opens anew.
//
// Each lane asks for its own orders, and for those of proxies that were given up. One an owner
// thread.
#pragma once

#include <boost/asio/steady_timer.hpp>
#include <boost/unordered/unordered_flat_map.hpp>
#include <cstdint>
#include <deque>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "journal/peers.h"
#include "proxy/sale/operation.h"
#include "proxy/sale/purchase_answer.h"
#include "proxy/sale/shared.h"
#include "proxy/sale/shelf_map.h"
#include "proxy/sale/verdict.h"
#include "proxy/upstream/io_thread.h"
#include "proxy/upstream/redis_client.h"
#include "shelves/packed_item.h"

namespace sluice::proxy::sale {

class Holds {
 public:
  // Takes an order's expiry to Redis; answered() or refused() follows, or the shelf opens anew.
  using Submit = std::function<void(Operation&&)>;

  Holds(upstream::IoThread& thread, upstream::RedisClient& redis, Shared& shared, ShelfMap& shelves,
        Submit submit);

  void start();
  void stop();

  // A batch was applied with these verdicts.
  void applied(const Shelf& shelf, const std::vector<Operation>& operations,
               const std::vector<ItemAnswer>& items, const std::vector<Verdict>& verdicts);
  // The shelf sells: what Redis has of unpaid orders is looked up, and what was asked is asked
  // again.
  void opened(Shelf& shelf);
  // An item as it is in Redis now.
  void seen(const Shelf& shelf, std::string_view name, const shelves::PackedItem& item);
  // What became of an expiry that was submitted.
  void answered(const Operation& op, const Verdict& verdict);
  void refused(const Operation& op);

 private:
  enum class State : uint8_t { kWaiting, kAsked, kDone };
  struct Order {
    uint64_t id = 0;
    int64_t bought_us = 0;  // monotonic
    State state = State::kWaiting;
    std::string user;
  };
  struct Item {
    uint64_t born = 0;
    int64_t hold_ms = 0;
    std::deque<Order> orders;    // by id
    std::vector<Order> scanned;  // of the scan under way
    bool scanning = false;
  };

  Item* find(const std::string& name);
  static Order* find(Item& item, uint64_t order_id);
  void bought(Item& item, const Operation& op, int64_t now_us);
  void finish(Item& item, uint64_t order_id);
  void forget(Item& item);
  void count(ptrdiff_t more);
  void schedule();
  void tick();
  void ask_due(const std::string& name, Item& item, int64_t now_us);
  void look_for_items(Shelf& shelf, std::string_view cursor);
  void scan(uint32_t shelf, const std::string& name, std::string_view cursor);
  void take_buyers(Item& item, const upstream::Reply& pairs);
  void scanned(Item& item);
  bool is_ours(uint64_t order_id) const;
  int64_t bought_us(uint64_t order_id, int64_t hold_ms) const;

  upstream::RedisClient& redis_;
  Shared& shared_;
  ShelfMap& shelves_;
  const Submit submit_;
  boost::asio::steady_timer timer_;
  boost::unordered_flat_map<std::string, Item> items_;  // of those with a hold
  size_t unpaid_ = 0;                                   // of them; told to shared_ as it changes
  size_t asked_ = 0;
  journal::Peers peers_;  // as they were looked at last
};

}  // namespace sluice::proxy::sale
