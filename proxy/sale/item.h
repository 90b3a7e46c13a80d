// One item as its owner thread sees it: the queue before Redis, the batches in flight, the
// commits under way in the journal. Only the owner thread touches it.
//
//   waiting ──batch──► in_flight (at most three) ──verdicts──► commits (in order) ──journal──►
//   replies
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "journal/group_commit.h"
#include "proxy/sale/durability.h"
#include "proxy/sale/operation.h"
#include "proxy/sale/purchase_script.h"
#include "proxy/sale/queue.h"
#include "proxy/sale/sold_out.h"

namespace sluice::proxy::sale {

// What one call of the purchase script carries.
struct Batch {
  enum class Answer {
    kDue,
    kRefused,   // GATE, GAP or EDITED: nothing was written
    kTooEarly,  // GAP, but only because the batch before it wrote nothing
  };

  uint64_t number = 0;  // tells a late answer's batch
  int64_t time_ms = 0;
  int64_t sent_us = 0;          // monotonic, of the first time it was sent
  uint64_t first_order_id = 0;  // its purchases' ids are not below this one
  uint64_t expected = 0;        // the lane sequence that it must find
  Answer answer = Answer::kDue;
  std::vector<Operation> operations;
  Payload payload;  // kept so that it can be sent again
};

// Operations that wait together and leave as one batch.
struct Gathering {
  std::vector<Operation> operations;
  size_t bytes = 0;  // about, of their records
};

// Operations with their verdicts, side by side.
struct Decided {
  std::vector<Operation> operations;
  std::vector<Verdict> verdicts;

  void push_back(Operation op, const Verdict& verdict) {
    operations.push_back(std::move(op));
    verdicts.push_back(verdict);
  }
};

// An applied batch whose records the journal is writing, and whose replies wait for it: its own
// accepted operations, and answers that speak of orders accepted before and not yet durable.
struct Commit {
  uint64_t batch = 0;
  uint64_t first_order_id = 0;
  Decided replies;
};

// What the owner thread keeps of an item that was sold out lately (sold_out_keeper.h).
struct SoldOutWatch {
  std::shared_ptr<SoldOut> view;  // null: nothing is known
  bool loaded = false;            // all buyers are in it, and it is published
  uint64_t epoch = 0;
  uint64_t fields = 0;  // of the buyers hash, as of the last answer
  uint64_t room = 0;    // buyers who may still be added
  int64_t load_began_us = 0;
  int64_t next_load_us = 0;  // not before
  int64_t renewed_us = 0;    // when Redis was last asked and said so
};

struct Item {
  enum class State {
    kShut,       // the gate has not been passed since the connection came up
    kGating,     // the gate script is asked, or about to be
    kReplaying,  // Redis lacks batches of this lane
    kWaiting,    // for other proxies
    kOpen,
    kRefused,  // Redis and journal contradict each other; needs a person
  };

  explicit Item(std::string item_name, std::string_view lane)
      : name(std::move(item_name)),
        item_key("sluice:{" + name + "}:item"),
        buyers_key("sluice:{" + name + "}:buyers"),
        receipts_key("sluice:{" + name + "}:receipts:" + std::string(lane)) {}

  const std::string name, item_key, buyers_key, receipts_key;

  State state = State::kShut;
  std::string refusal;    // kRefused, kReplaying, kWaiting: why
  uint64_t epoch = 0;     // as Redis last told; 0: there is no such item, nor a lane waited for
  uint64_t sequence = 0;  // the last applied batch that was handed to the journal
  Queue<Gathering> waiting;  // none of them empty; what comes joins the last
  Queue<Batch> in_flight;  // sent, oldest first; each expects what the ones before it will leave
  bool selling = false;    // the last applied batch wrote something, so the next one will
  Queue<Commit> commits;
  Trail synced;          // to disk
  Trail drained;         // to MySQL
  uint64_t trimmed = 0;  // receipts up to this batch are known to be dropped
  std::unique_ptr<SoldOutWatch> sold_out;  // null: not lately
  bool existed = false;  // at some time: answers of that time may still be worked on
  // For the gate.
  bool retired = false;         // the journal does not hold all of this lane any more
  bool needs_creation = false;  // which is in another proxy's journal
  bool polled = false;          // in the list of items that wait for other lanes
  bool listed = false;          // possibly in sluice:waiting
  bool queued = false;          // in the owner's list of items to be sent at the end of this turn

  void set_epoch(uint64_t told) {
    epoch = told;
    existed |= told != 0;
  }
  bool idle() const { return waiting.empty() && in_flight.empty() && commits.empty(); }
};

}  // namespace sluice::proxy::sale
