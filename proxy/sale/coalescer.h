// Gathers operations per item into script batches, and takes their verdicts to journal and client.
//
// One per I/O thread, owning the items that hash to that thread. While a batch of an item is in
// flight, what arrives gathers and leaves together when the verdicts are back, so the cost of a
// purchase falls as load rises, and no timer is needed. Only if so many gather that another call
// costs next to nothing are up to three batches in flight, so that Redis need not wait for the
// proxy.
//
//   submit() ─► item.waiting ─turn end─► EVALSHA ─► settle(): refused ─► reply
//                                                   accepted ─► journal ─► committed() ─► reply
//
// The gate (gate.cc) decides when an item may be sent at all.
#pragma once

#include <boost/asio/steady_timer.hpp>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "proxy/sale/confirmation.h"
#include "proxy/sale/item.h"
#include "proxy/sale/purchase_tally.h"
#include "proxy/sale/shared.h"
#include "proxy/sale/sold_out_keeper.h"
#include "proxy/upstream/inbox.h"
#include "proxy/upstream/io_thread.h"
#include "proxy/upstream/redis_client.h"

namespace sluice::proxy::sale {

class Gate;
class Heartbeat;

class Coalescer final : public upstream::TurnTask {
 public:
  // Takes a finished reply to the session's thread.
  using Deliver = std::function<void(const Operation&, std::string_view reply)>;

  Coalescer(upstream::IoThread& thread, upstream::Inbox& inbox, upstream::Endpoint redis,
            Shared& shared, SoldOutBoard& sold_out, Deliver deliver);
  ~Coalescer();

  // What recovery found in the journal: the item's last batch. Before start().
  void know_item(const std::string& name, uint64_t journaled_batch, uint64_t journal_sequence);
  // Which items of Redis's index are this thread's. Before start().
  void set_owner_test(std::function<bool(std::string_view item)> owns) { owns_ = std::move(owns); }
  void set_heartbeat(Heartbeat& heartbeat) { heartbeat_ = &heartbeat; }
  void start();
  // Refuses what is new from now on, lets what waits be decided (for a bounded time), answers the
  // rest with -UNKNOWNSTATE, closes the connection, then calls `stopped`. On the I/O thread.
  void stop(std::function<void()> stopped);

  // Owner thread only, like everything below. Exactly one Deliver follows.
  void submit(Operation&& op);

  upstream::RedisClient& redis() { return redis_; }
  bool owns(std::string_view item) const { return owns_(item); }
  // True once every known item has passed the gate; any thread.
  bool ready() const { return ready_.load(std::memory_order_relaxed); }

  Gate& gate() { return *gate_; }

  // For the gate.
  Heartbeat& heartbeat() { return *heartbeat_; }
  Shared& shared() { return shared_; }
  upstream::IoThread& thread() { return thread_; }
  upstream::Inbox& inbox() { return inbox_; }
  std::unordered_map<std::string, std::unique_ptr<Item>>& items() { return items_; }
  Item& item(const std::string& name);
  // What -LOADING says while not ready; make_unavailable() also takes readiness and answers what
  // waits.
  void set_unavailable(std::string why) { unavailable_ = std::move(why); }
  void make_unavailable(std::string why);
  void set_ready(bool ready) { ready_.store(ready, std::memory_order_relaxed); }
  // Redis has applied `batch` with these verdicts: journal what was accepted, answer the rest.
  void settle(Item& item, uint64_t sequence, Batch batch, std::vector<Verdict> verdicts);
  // What is in flight was not applied and never will be: back to the head of the queue with it.
  void requeue_in_flight(Item& item);
  // The item's gate is open: what waits may be sent. Or it is refused: what waits is answered.
  void item_opened(Item& item);
  void item_refused(Item& item, std::string why);
  // Neither for now: what waits, and what comes, is told so (-LOADING).
  void item_waits(Item& item, Item::State state, std::string why);

  void turn_ended() override;

 private:
  void gather(Item& item, Operation&& op);
  static bool may_send(const Item& item);
  void enqueue(Item& item);
  void send(Item& item);
  void build_batch(Item& item);
  void call_script(Item& item, Batch& batch, bool by_sha);
  void answered(Item& item, uint64_t number, bool by_sha, const Result<upstream::Reply>& reply);
  void redis_error(Item& item, Batch& batch, bool by_sha, std::string_view text);
  void applied(Item& item, Batch& batch, Answer& answer);
  void not_applied(Item& item, Batch& batch, const Answer& answer);
  void settle_refused(Item& item);
  void committed(Item& item, uint64_t batch, const journal::CommitOutcome& outcome);
  void answer_or_hold(Item& item, std::vector<Operation> operations, std::vector<Verdict> verdicts,
                      size_t facts);
  void reply(Item& item, Operation& op, const Verdict& verdict, int64_t now_us);
  void refuse_waiting(Item& item, std::string_view prefix, const std::string& message);
  void refuse(Operation& op, std::string_view prefix, std::string_view message);
  void release(Operation& op);
  void reuse(std::vector<Operation>&& operations);
  std::string_view durability(Item& item, uint64_t order_id);
  void forget_if_unused(Item& item);
  void connection_lost(const Error& why);
  void confirmed(Item& item, Operation& op, const Verdict& verdict, bool is_durable);
  void check_unknown();
  void trim_receipts();
  void schedule_check();
  bool quiet() const;
  void finish_stopping(int64_t deadline_us, std::function<void()> stopped);

  upstream::IoThread& thread_;
  upstream::Inbox& inbox_;
  Shared& shared_;
  const Deliver deliver_;
  std::function<bool(std::string_view)> owns_;
  upstream::RedisClient redis_;
  std::unique_ptr<Gate> gate_;
  Confirmation confirmation_;
  PurchaseTally tally_;
  SoldOutKeeper sold_out_;
  Heartbeat* heartbeat_ = nullptr;  // set before start()
  boost::asio::steady_timer check_timer_;
  std::unordered_map<std::string, std::unique_ptr<Item>> items_;
  Queue<Item*> to_send_;        // at the end of this turn, or as soon as calls come back
  size_t calls_in_flight_ = 0;  // of the purchase script
  std::string unavailable_ = "the connection to Redis is being established";
  size_t queued_ = 0;  // operations in all items' waiting queues
  std::vector<std::vector<Operation>> spare_;  // empty, with room: for gatherings
  uint64_t batches_ = 0;  // built so far
  std::string reply_;     // in the making
  bool stopped_ = false;
  bool journal_failed_ = false;
  std::atomic<bool> ready_{false};
};

}  // namespace sluice::proxy::sale
