// The way of a batch from its verdicts to the journal and to the clients; see coalescer.h.
#include <algorithm>

#include "base/clock.h"
#include "base/failpoint.h"
#include "proxy/sale/coalescer.h"
#include "proxy/sale/order_ids.h"
#include "proxy/sale/replies.h"

namespace sluice::proxy::sale {
namespace {

using Kind = Verdict::Kind;

// Verdicts that tell a client of an order (or a definition) accepted earlier, possibly a moment
// ago: they wait with the commits before them, since nothing is told before it is durable.
bool speaks_of_earlier(const Verdict& verdict) {
  return verdict.kind == Kind::kRepeated || verdict.kind == Kind::kCancelled ||
         verdict.kind == Kind::kLimit || verdict.kind == Kind::kFound ||
         verdict.kind == Kind::kAlready || verdict.kind == Kind::kPaid ||
         verdict.kind == Kind::kExpired;
}

// The order that a reply names, for its durability; 0: none.
uint64_t named_order(const Operation& op, const Verdict& verdict) {
  if (verdict.kind == Kind::kAccepted) return op.order_id;
  const bool names_it = verdict.kind == Kind::kRepeated || verdict.kind == Kind::kFound;
  return names_it ? static_cast<uint64_t>(verdict.numbers[0]) : 0;
}

}  // namespace

void Coalescer::settle(Shelf& shelf, uint64_t lane_sequence, ShelfBatch batch,
                       const std::vector<ItemAnswer>& items, std::vector<Verdict> verdicts) {
  std::string records;
  uint64_t order_id_max = 0;
  const uint32_t count = append_facts(records, batch.operations, items, verdicts, lane_sequence,
                                      batch.time_ms, *shared_.order_ids, order_id_max);
  shared_.order_ids->raise_above(order_id_max);
  if (count > 0) {
    shelf.settle(lane_sequence, batch.first_order_id);
  } else {
    shelf.settle_nothing();
  }
  size_t reserved = 0;
  for (size_t i = 0; i < batch.operations.size(); ++i) {
    Operation& op = batch.operations[i];
    if (!is_fact(op, verdicts[i])) continue;
    reserved += std::exchange(op.reserved, 0);
    if (op.verb != Verb::kCreate) continue;
    shared_.items.fetch_add(1, std::memory_order_relaxed);
    shelf.note_created();
  }
  answer_or_hold(shelf, std::move(batch.operations), std::move(verdicts), count);
  if (count == 0) return;
  const auto done = [this, &shelf, lane_sequence](const journal::CommitOutcome& outcome) {
    inbox_.push(
        [this, &shelf, lane_sequence, outcome] { committed(shelf, lane_sequence, outcome); });
  };
  shared_.journal->submit(std::move(records), count, reserved, order_id_max, done);
}

// Replies that wait for a commit go to the last one; in the common case that is the batch's own,
// and it takes all of them as they are.
void Coalescer::answer_or_hold(Shelf& shelf, std::vector<Operation> operations,
                               std::vector<Verdict> verdicts, size_t facts) {
  if (facts == operations.size()) {
    shelf.last_replies() = {std::move(operations), std::move(verdicts)};
    return;
  }
  const int64_t now_us = base::monotonic_us();
  for (size_t i = 0; i < operations.size(); ++i) {
    Operation& op = operations[i];
    const Verdict& verdict = verdicts[i];
    if (speaks_of_earlier(verdict) && confirmation_.needed(op, verdict)) {
      confirmation_.hold(shelf, std::move(op), verdict);
    } else if (is_fact(op, verdict) || speaks_of_earlier(verdict)) {
      reply_durable(shelf, op, verdict);
    } else {
      reply(shelf, op, verdict, now_us);
    }
  }
}

// What another proxy accepted is durable there (or not known to be); what this one did meanwhile
// waits for its commits as ever.
void Coalescer::confirmed(Shelf& shelf, Operation& op, const Verdict& verdict, bool is_durable) {
  if (is_durable) return reply_durable(shelf, op, verdict);
  refuse(op, "UNKNOWNSTATE",
         "another proxy has accepted it and is not known to have recorded it; ask again");
}

// Behind the commits that are under way: the order may be in one of them.
void Coalescer::reply_durable(Shelf& shelf, Operation& op, const Verdict& verdict) {
  if (shelf.has_commits()) {
    shelf.last_replies().push_back(std::move(op), verdict);
  } else if (journal_failed_) {
    refuse(op, "UNKNOWNSTATE", "the journal failed and may not have the order; retry later");
  } else {
    reply(shelf, op, verdict, base::monotonic_us());
  }
}

void Coalescer::committed(Shelf& shelf, uint64_t lane_sequence,
                          const journal::CommitOutcome& outcome) {
  // Journal and inbox keep the order in which this thread submitted; another batch's clients would
  // be told that they have bought.
  ShelfReplies replies =
      shelf.commit_done(lane_sequence, outcome.status.ok(), outcome.last_sequence);
  if (!outcome.status) {
    journal_failed_ = true;  // from here on Redis knows of orders that may never be durable
    sold_out_.stop();
    for (Operation& op : replies.operations) {
      refuse(op, "UNKNOWNSTATE",
             "the journal failed after Redis accepted: " + outcome.status.error().message() +
                 "; ask with SECKILL.ORDER item user REQ id");
    }
    return shared_.fatal(outcome.status.error().at("journal"));
  }
  base::failpoint(base::Failpoint::kSaleBeforeReply);
  shelf.synced.arrived(shared_.journal->synced_sequence());
  const int64_t now_us = base::monotonic_us();
  auto& [operations, verdicts] = replies;
  for (size_t i = 0; i < operations.size(); ++i) reply(shelf, operations[i], verdicts[i], now_us);
  shelf.reuse(std::move(operations));
}

// Costs a comparison while nothing is oversold.
void Coalescer::note_remaining(const Operation& op, const Verdict& verdict) {
  if (verdict.remaining >= 0 && oversold_.empty()) return;
  const bool tells = verdict.accepted() || verdict.kind == Kind::kSoldOut;
  if (!tells) return;
  const bool is_over = verdict.remaining < 0 && op.verb != Verb::kDelete;
  const bool changed = is_over ? oversold_.insert(op.item).second : oversold_.erase(op.item) > 0;
  if (changed) shared_.oversold_items.fetch_add(is_over ? 1 : -1);
}

void Coalescer::reply(Shelf& shelf, Operation& op, const Verdict& verdict, int64_t now_us) {
  release(op);
  if (op.verb == Verb::kBuy) {
    tally_.count(verdict.kind);
    if (verdict.accepted() && verdict.remaining < 0) shared_.metrics->oversell.add();
  }
  note_remaining(op, verdict);
  if (op.verb == Verb::kExpire) {
    holds_.answered(op, verdict);
    if (verdict.accepted()) shared_.metrics->expired.add();
  }
  if (op.wait_ms >= 0 && verdict.kind == Kind::kFound) return arrivals_.wait(shelf, std::move(op));
  Verdict told = op.verb == Verb::kDelete ? deletions_.answered(shelf, op, verdict) : verdict;
  if (!op.sink) return;
  const int64_t took_us = now_us - op.received_us;
  if (op.verb == Verb::kBuy) tally_.took(took_us);
  shared_.slow_log.note(op, took_us);
  const uint64_t order_id = named_order(op, verdict);
  told.is_dead = order_id != 0 && shared_.dead_letters.contains(order_id);
  tell(op, told, order_id == 0 ? "" : durability(shelf, order_id));
}

void Coalescer::tell(const Operation& op, const Verdict& verdict, std::string_view durability) {
  if (!op.sink) return;
  reply_.clear();
  append_reply(reply_, op, verdict, durability);
  deliver_(op, reply_);
}

void Coalescer::refuse(Operation& op, std::string_view prefix, std::string_view message) {
  release(op);
  if (op.verb == Verb::kExpire) holds_.refused(op);
  if (op.verb == Verb::kBuy) {
    SaleMetrics& metrics = *shared_.metrics;
    (prefix == "BUSY"           ? metrics.busy
     : prefix == "UNKNOWNSTATE" ? metrics.unknown
                                : metrics.error)
        .add();
  }
  if (op.sink) deliver_(op, error_reply(prefix, message));
  op.sink.reset();
}

void Coalescer::release(Operation& op) {
  if (op.reserved != 0) shared_.journal->release(std::exchange(op.reserved, 0));
}

std::string_view Coalescer::durability(Shelf& shelf, uint64_t order_id) {
  // What another proxy's journal holds is not known here: claim the least.
  if (!shared_.order_ids->is_own(order_id)) return "memory";
  shelf.drained.arrived(shared_.drained_sequence.load(std::memory_order_relaxed));
  const bool is_row =
      shelf.drained.has_arrived(order_id) && !shared_.dead_letters.contains(order_id);
  if (is_row) return "database";
  shelf.synced.arrived(shared_.journal->synced_sequence());
  return shelf.synced.has_arrived(order_id) ? "disk" : "memory";
}

}  // namespace sluice::proxy::sale
