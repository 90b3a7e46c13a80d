// Gathers operations per shelf into calls of the purchase script, and takes their verdicts to
// journal and client.
//
// One an owner thread. While a batch of a shelf is in flight, what arrives for any of its items
// gathers and leaves together when the verdicts are back, so the cost of a purchase falls as load
// rises, and no timer is needed. Only if so many gather that another call costs next to nothing are
// up to three batches in flight, so that Redis need not wait for the proxy.
//
//   submit() ─► Shelf::gather() ─turn end─► EVALSHA ─► settle(): refused ─► reply
//                                                      accepted ─► journal ─► committed() ─► reply
//
// The gate (gate.h) decides whether a shelf may be sent from at all, and tells it through
// ShelfEvents.
#pragma once

#include <boost/asio/steady_timer.hpp>
#include <functional>
#include <set>
#include <string>
#include <vector>

#include "proxy/sale/arrivals.h"
#include "proxy/sale/confirmation.h"
#include "proxy/sale/deletions.h"
#include "proxy/sale/foresight.h"
#include "proxy/sale/gate.h"
#include "proxy/sale/holds.h"
#include "proxy/sale/purchase_tally.h"
#include "proxy/sale/shared.h"
#include "proxy/sale/shelf_events.h"
#include "proxy/sale/shelf_map.h"
#include "proxy/sale/sold_out_keeper.h"
#include "proxy/upstream/inbox.h"
#include "proxy/upstream/io_thread.h"
#include "proxy/upstream/redis_client.h"

namespace sluice::proxy::sale {

class Coalescer final : public upstream::TurnTask, public ShelfEvents {
 public:
  // Takes a finished reply to the session's thread.
  using Deliver = std::function<void(const Operation&, std::string_view reply)>;

  // All that is given by reference outlives it; `gate` may still be to be built.
  Coalescer(upstream::IoThread& thread, upstream::Inbox& inbox, upstream::RedisClient& redis,
            Shared& shared, FlusherPort& flusher, ShelfMap& shelves, Gate& gate,
            SoldOutBoard& sold_out, Deliver deliver);
  ~Coalescer();

  void start();
  // The connection is gone; after the gate has been told.
  void lost();
  // Refuses what is new from now on, and calls `quiet` once what waits is decided, or after a
  // bounded time.
  void stop(std::function<void()> quiet);
  // Answers what is left with -UNKNOWNSTATE.
  void end();

  // Exactly one Deliver follows.
  void submit(Operation&& op);

  void opened(Shelf& shelf) override;
  void closed(Shelf& shelf) override;
  void doubted(Shelf& shelf) override;
  void settle(Shelf& shelf, uint64_t lane_sequence, ShelfBatch batch,
              const std::vector<ItemAnswer>& items, std::vector<Verdict> verdicts) override;
  void put_back(Shelf& shelf) override;
  void deleting(Shelf& shelf, const std::string& item) override;
  void seen(Shelf& shelf, std::string_view name, const shelves::PackedItem& item) override;

  void turn_ended() override;

 private:
  bool take_room(Operation& op);
  void gather(Shelf& shelf, Operation&& op);
  static bool may_send(const Shelf& shelf);
  void enqueue(Shelf& shelf);
  void send(Shelf& shelf);
  ShelfBatch build_batch(Shelf& shelf, int64_t now_ms);
  void refuse_waiting(Shelf& shelf, std::string_view prefix, const std::string& why);
  void call_script(Shelf& shelf, ShelfBatch& batch, bool by_sha);
  void answered(Shelf& shelf, uint64_t number, bool by_sha, const Result<upstream::Reply>& reply);
  void applied(Shelf& shelf, ShelfBatch& batch, CallAnswer& answer);
  void note_sold(const ShelfBatch& batch, const std::vector<Verdict>& verdicts);
  void not_applied(Shelf& shelf, ShelfBatch& batch, const CallAnswer& answer);
  void settle_refused(Shelf& shelf);
  void committed(Shelf& shelf, uint64_t lane_sequence, const journal::CommitOutcome& outcome);
  void answer_or_hold(Shelf& shelf, std::vector<Operation> operations,
                      std::vector<Verdict> verdicts, size_t facts);
  void reply_durable(Shelf& shelf, Operation& op, const Verdict& verdict);
  void note_remaining(const Operation& op, const Verdict& verdict);
  void reply(Shelf& shelf, Operation& op, const Verdict& verdict, int64_t now_us);
  void tell(const Operation& op, const Verdict& verdict, std::string_view durability);
  void refuse(Operation& op, std::string_view prefix, std::string_view message);
  void release(Operation& op);
  std::string_view durability(Shelf& shelf, uint64_t order_id);
  void confirmed(Shelf& shelf, Operation& op, const Verdict& verdict, bool is_durable);
  void check_unknown();
  void trim_receipts();
  void schedule_check();
  bool quiet() const;
  void await_quiet(int64_t deadline_us, std::function<void()> done);

  // What is kept of a shelf for sending.
  struct Entry {
    bool queued = false;   // in to_send_
    uint64_t trimmed = 0;  // receipts up to this batch are known to be dropped
    std::string edited;    // the item that a refused batch has found so
    Foresight foresight;
  };

  upstream::IoThread& thread_;
  upstream::Inbox& inbox_;
  upstream::RedisClient& redis_;
  Shared& shared_;
  ShelfMap& shelves_;
  Gate& gate_;
  const Deliver deliver_;
  Confirmation confirmation_;
  Deletions deletions_;
  Holds holds_;
  Arrivals arrivals_;
  PurchaseTally tally_;
  ItemBoard::Part& board_;
  SoldOutKeeper sold_out_;
  boost::asio::steady_timer check_timer_;
  std::vector<Entry> entries_;  // by number of the shelf
  Queue<Shelf*> to_send_;       // at the end of this turn, or as soon as calls come back
  size_t calls_in_flight_ = 0;  // of the purchase script
  size_t queued_ = 0;           // operations in all shelves' waiting queues
  uint64_t batches_ = 0;        // built so far
  std::string reply_;           // in the making
  std::set<std::string> oversold_;  // items with less than nothing left, as they were seen last
  bool stopped_ = false;
  bool journal_failed_ = false;
};

}  // namespace sluice::proxy::sale
