// One shelf as its owner thread sees it: whether it may be sold from, the queue before Redis, the
// batches in flight, the commits under way in the journal.
//
//   gather() ─► waiting ─send()─► in flight (at most three) ─settle()─► commits ─commit_done()─►
//                  ▲                       │
//                  └──────put_back()───────┘
//
// It owns this state and nothing else changes it; what must hold of it is asserted here, since
// money is decided by it. Coalescer and gate work on it, on the owner thread only.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "proxy/sale/durability.h"
#include "proxy/sale/operation.h"
#include "proxy/sale/purchase_call.h"
#include "proxy/sale/queue.h"
#include "proxy/sale/verdict.h"

namespace sluice::proxy::sale {

// Operations that go to Redis in one call, and all that is to be known to send them again.
struct ShelfBatch {
  enum class Answer {
    kDue,
    kRefused,   // GATE, GAP, …: nothing was written
    kTooEarly,  // GAP, but only because the batch before it wrote nothing
  };

  uint64_t number = 0;          // of this thread; tells a late answer's batch
  uint64_t expected = 0;        // the lane sequence that it must find
  int64_t time_ms = 0;          // of its records
  int64_t sent_us = 0;          // monotonic, of the first time it was sent
  uint64_t first_order_id = 0;  // its purchases' ids are not below this one
  Answer answer = Answer::kDue;
  std::vector<Operation> operations;    // those of an item one after the other
  std::vector<ItemForecast> forecasts;  // one an item
  uint64_t times_forgotten = 0;         // when these were made; foresight.h
  CallPayload payload;
};

// Operations with their verdicts, side by side.
struct ShelfReplies {
  std::vector<Operation> operations;
  std::vector<Verdict> verdicts;

  void push_back(Operation op, const Verdict& verdict) {
    operations.push_back(std::move(op));
    verdicts.push_back(verdict);
  }
};

class Shelf {
 public:
  enum class State {
    kShut,       // no connection, or not asked since it came up
    kAsking,     // the gate script is asked, or about to be
    kReplaying,  // Redis lacks batches of this lane
    kWaiting,    // for other lanes
    kUnable,     // Redis refuses, or contradicts the journal; asked again with a back-off
    kOpen,
  };
  static std::string_view name_of(State state);
  // The table of moves; docs/architecture.md has it with the reasons.
  static bool may_move(State from, State to);

  static constexpr size_t kInFlightMax = 3;

  Shelf(uint32_t number, std::string_view lane);
  Shelf(const Shelf&) = delete;
  Shelf& operator=(const Shelf&) = delete;

  const uint32_t number;
  const std::string key, receipts_key;

  // For people: "shelf 3 (sluice:{3}:shelf)".
  std::string place() const { return "shelf " + std::to_string(number) + " (" + key + ")"; }
  State state() const { return state_; }
  // Why it is not open, for people; and the error that a client gets with it, "BUSY" or "LOADING".
  const std::string& why() const { return why_; }
  std::string_view prefix() const { return prefix_; }
  // Asserts the table of moves. To kOpen `why` is empty.
  void move(State to, std::string why = {}, std::string_view prefix = "LOADING");

  // The epoch that batches carry; told by the gate.
  uint64_t epoch() const { return epoch_; }
  void set_epoch(uint64_t epoch) { epoch_ = epoch; }

  // The lane's sequence of the last applied batch that was handed to the journal.
  uint64_t lane_sequence() const { return lane_sequence_; }
  // What recovery found in the journal; `journal_sequence`: of the shelf's last record that is not
  // known to be in MySQL, 0 if there is none. Before anything else.
  void know(uint64_t lane_sequence, uint64_t journal_sequence);

  // Items that were created here and that no beat has counted yet.
  size_t created() const { return created_; }
  void note_created() { ++created_; }
  void forget_created(size_t counted) { created_ -= counted; }

  // ---- The queue before Redis.

  // What comes joins the last gathering while it has room; `bytes`: about, of the op's record.
  void gather(Operation&& op, size_t bytes, size_t operations_max, size_t bytes_max);
  bool has_waiting() const { return !waiting_.empty(); }
  // Its memory is what the next gathering needs.
  void reuse(std::vector<Operation>&& operations);
  size_t waiting_operations() const { return waiting_operations_; }
  // Many wait: so many that another call costs Redis next to nothing beside them.
  bool many_wait(size_t many) const;
  // The oldest gathering, taken out.
  std::vector<Operation> take_waiting();
  // All that waits, taken out, oldest first.
  std::vector<Operation> take_all_waiting();

  // ---- In flight.

  // A batch that goes out behind another must foresee the lane sequence that it will find; it can
  // only while the shelf sells, since a batch that accepts nothing does not raise it.
  bool may_send_another() const;
  ShelfBatch& send(ShelfBatch batch);
  // nullptr: it is not in flight any more.
  ShelfBatch* find(uint64_t number);
  ShelfBatch take(uint64_t number);
  Queue<ShelfBatch>& in_flight() { return in_flight_; }
  const Queue<ShelfBatch>& in_flight() const { return in_flight_; }
  // What is in flight was not applied and never will be: back to the head of the queue, in its
  // order and without order ids. Operations without a sink have been answered: they are dropped.
  void put_back(size_t (*bytes_of)(const Operation&));

  // ---- Applied.

  // Redis has applied a batch, and these are facts for the journal: the next in the lane's order.
  void settle(uint64_t lane_sequence, uint64_t first_order_id);
  // It has applied one in which nothing was accepted: the next one cannot foresee its sequence.
  void settle_nothing() { selling_ = false; }
  bool has_commits() const { return !commits_.empty(); }
  // Replies that wait until all that was settled so far is in the journal.
  ShelfReplies& last_replies();
  // The oldest commit has ended: its replies. On success: its records end at `journal_sequence`.
  ShelfReplies commit_done(uint64_t lane_sequence, bool success, uint64_t journal_sequence);

  Trail synced;   // to disk
  Trail drained;  // to MySQL

  // Nothing waits, is in flight or being committed.
  bool idle() const { return waiting_.empty() && in_flight_.empty() && commits_.empty(); }

 private:
  struct Gathering {
    std::vector<Operation> operations;
    size_t bytes = 0;
  };
  struct Commit {
    uint64_t lane_sequence = 0;
    uint64_t first_order_id = 0;
    ShelfReplies replies;
  };

  Queue<ShelfBatch>::iterator place_of(uint64_t batch_number);

  State state_ = State::kShut;
  std::string why_ = "the connection to Redis is being established";
  std::string_view prefix_ = "LOADING";
  uint64_t epoch_ = 0;
  size_t created_ = 0;
  uint64_t lane_sequence_ = 0;
  bool selling_ = false;          // the last applied batch wrote something, so the next one will
  Queue<Gathering> waiting_;      // none of them empty
  std::vector<Operation> spare_;  // empty, with room
  size_t waiting_operations_ = 0;
  Queue<ShelfBatch> in_flight_;  // oldest first
  Queue<Commit> commits_;        // oldest first; each the lane sequence behind the one before
};

}  // namespace sluice::proxy::sale
