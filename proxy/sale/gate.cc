#include "proxy/sale/gate.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <charconv>

#include "base/failpoint.h"
#include "proxy/sale/coalescer.h"

namespace sluice::proxy::sale {
namespace {

using upstream::Reply;

uint64_t number(std::string_view text) {
  uint64_t value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

// The value of "name:value" in INFO's text; empty if it is not there.
std::string_view info_value(std::string_view info, std::string_view name) {
  const std::string line_start = "\n" + std::string(name) + ":";
  const size_t at = info.find(line_start);
  if (at == std::string_view::npos) return {};
  info.remove_prefix(at + line_start.size());
  return info.substr(0, info.find_first_of("\r\n"));
}

// Error replies that speak of the server's state and not of the item: memory is full, the disk is,
// a script runs for too long, it became a replica. Nothing was written; later it may well be.
bool may_pass(std::string_view error) {
  constexpr std::string_view kStates[] = {"LOADING", "READONLY", "MASTERDOWN", "BUSY",
                                          "OOM",     "MISCONF",  "NOREPLICAS"};
  return std::any_of(std::begin(kStates), std::end(kStates), [error](std::string_view state) {
    return error.substr(0, error.find(' ')) == state;
  });
}

}  // namespace

void Gate::connected() { check_server(); }

void Gate::lost() {
  under_way_ = 0;
  opening_ = false;
  behind_.clear();
  replay_.reset();
}

void Gate::check_server() {
  auto& redis = coalescer_.redis();
  redis.call({"INFO"}, [this](const Result<Reply>& reply) {
    if (!reply) return;
    const std::string_view info = reply->text();
    if (info_value(info, "loading") == "1") {
      return coalescer_.redis().reconnect(
          Error(ErrorClass::kUnavailable, "Redis is loading its data"));
    }
    if (info_value(info, "role") == "slave") {
      return coalescer_.redis().reconnect(
          Error(ErrorClass::kUnavailable, "it is a read-only replica"));
    }
    const std::string_view policy = info_value(info, "maxmemory_policy");
    if (!policy.empty() && policy != "noeviction") {
      return coalescer_.shared().fatal(Error(
          ErrorClass::kRefused, "Redis at " + coalescer_.redis().endpoint().text() +
                                    " runs with maxmemory-policy " + std::string(policy) +
                                    " and may evict what is on sale; set it to noeviction "
                                    "(CONFIG SET maxmemory-policy noeviction, and in redis.conf)"));
    }
    open_known_items();
  });
  // The one script that is called by its SHA; gate and replay are rare and carry their text.
  redis.call({"SCRIPT", "LOAD", coalescer_.shared().scripts.purchase.text},
             [](const Result<Reply>& reply) {
               if (reply && reply->is_error()) {
                 spdlog::error("Redis refused the purchase script: {}", reply->text());
               }
             });
}

// What the journal knows and what Redis's index names: the latter covers items whose creation was
// applied but not yet journaled when a proxy died.
void Gate::open_known_items() {
  opening_ = true;
  coalescer_.redis().call({"SMEMBERS", "sluice:items"}, [this](const Result<Reply>& reply) {
    if (!reply) return;
    for (size_t i = 0; i < reply->size(); ++i) {
      const std::string name(reply->at(i).text());
      if (coalescer_.owns(name)) coalescer_.item(name);
    }
    std::vector<Item*> items;
    for (auto& [name, item] : coalescer_.items()) {
      items.push_back(item.get());
    }
    under_way_ = 1;  // this pass itself, so that it cannot end before all are asked
    for (Item* item : items) open(*item, true);
    item_done();
  });
}

void Gate::open(Item& item, bool raise) {
  item.state = Item::State::kGating;
  ++under_way_;
  const std::string sequence = std::to_string(item.sequence);
  const Script& script = coalescer_.shared().scripts.gate;
  // EVAL, not EVALSHA: it is rare, and cannot meet a NOSCRIPT.
  coalescer_.redis().call({"EVAL", script.text, "2", item.item_key, item.receipts_key,
                           coalescer_.shared().lane, raise ? "1" : "0", sequence},
                          [this, &item](const Result<Reply>& reply) {
                            if (!reply || waits_for_server(reply->text(), reply->is_error()))
                              return;
                            entered(item, *reply);
                            item_done();
                          });
}

// True if the whole pass begins anew, after the connection's back-off: no item is given up for what
// the server cannot do just now.
bool Gate::waits_for_server(std::string_view text, bool is_error) {
  if (!is_error || !may_pass(text)) return false;
  coalescer_.redis().reconnect(Error(ErrorClass::kUnavailable, std::string(text)));
  return true;
}

void Gate::entered(Item& item, const Reply& reply) {
  if (reply.is_error() || reply.size() < 5) {
    return coalescer_.item_refused(item,
                                   "Redis refused the gate script: " + std::string(reply.text()));
  }
  base::failpoint(base::Failpoint::kGateAfterEpoch);
  item.epoch = number(reply.at(1).text());
  const uint64_t sequence = number(reply.at(2).text());
  const std::string_view journal_id = reply.at(3).text();
  if (!journal_id.empty() && journal_id != coalescer_.shared().journal_id) {
    return coalescer_.shared().fatal(
        Error(ErrorClass::kRefused, "item " + item.name + " in Redis has orders of proxy.id " +
                                        coalescer_.shared().lane + " from another journal (" +
                                        std::string(journal_id) + ", this one is " +
                                        coalescer_.shared().journal_id +
                                        "); start with the journal.dir that holds them, or take "
                                        "a proxy.id that was never used with this Redis"));
  }
  if (sequence < item.sequence) {
    spdlog::warn("item {}: Redis has batch {}, the journal {}: replaying", item.name, sequence,
                 item.sequence);
    item.state = Item::State::kGating;
    behind_.push_back(&item);
    return;
  }
  if (is_retired(item, number(reply.at(4).text()))) pass_over_journaled(item, reply);
  if (sequence > item.sequence && !import_receipts(item, reply, sequence)) return;
  settle_in_flight(item);
  coalescer_.item_opened(item);
}

// An item of which the journal tells nothing any more: it was drained and closed long ago, and its
// segments are deleted.
bool Gate::is_retired(const Item& item, uint64_t first_receipt) const {
  return item.sequence == 0 && first_receipt > 0 && coalescer_.shared().journal_begins_ms != 0;
}

// A retired item's receipts were journaled up to those that are younger than what is left of the
// journal: a start imports every receipt that the journal lacks before anything new is written.
void Gate::pass_over_journaled(Item& item, const Reply& reply) {
  item.sequence = number(reply.at(4).text()) - 1;
  for (size_t i = 5; i < reply.size(); ++i) {
    const auto receipt = parse_receipt(reply.at(i).text(), item.name);
    if (!receipt || receipt->time_ms >= coalescer_.shared().journal_begins_ms) break;
    ++item.sequence;
  }
  item.synced.set_last_batch(item.sequence);
}

// Redis applied batches that the journal does not have: the proxy died, or the connection broke,
// between the script and the journal. Their receipts complete the orders.
bool Gate::import_receipts(Item& item, const Reply& reply, uint64_t sequence) {
  const uint64_t first = number(reply.at(4).text());
  if (first > item.sequence + 1 || reply.size() - 5 != sequence + 1 - first) {
    coalescer_.item_refused(item, "Redis has applied batches up to " + std::to_string(sequence) +
                                      ", the journal ends at " + std::to_string(item.sequence) +
                                      ", and receipts are missing; run sluice-ctl journal verify");
    return false;
  }
  for (size_t i = 5 + item.sequence + 1 - first; i < reply.size(); ++i) {
    const std::string_view text = reply.at(i).text();
    const uint64_t batch_sequence = item.sequence + 1;
    auto receipt = parse_receipt(text, item.name);
    if (!receipt) {
      coalescer_.item_refused(item, receipt.error().message());
      return false;
    }
    base::failpoint(base::Failpoint::kGateImport);
    Batch batch;
    batch.time_ms = receipt->time_ms;
    if (item.in_flight && text.ends_with(item.in_flight->payload)) {
      batch = std::move(*item.in_flight);
      item.in_flight.reset();
    } else {
      batch.operations = std::move(receipt->operations);
    }
    spdlog::info("item {}: batch {} completed from its receipt", item.name, batch_sequence);
    for (const Operation& op : batch.operations) {
      // A cancel's or a query's id is what a client wrote there.
      if (op.verb == Verb::kBuy) coalescer_.shared().order_ids->raise_above(op.order_id);
    }
    coalescer_.settle(item, batch_sequence, std::move(batch), receipt->verdicts);
  }
  return true;
}

// A batch that is still in flight was not applied, and with the epoch raised it cannot be any more:
// it goes back to the head of the queue, without the operations whose clients were told that the
// outcome is unknown.
void Gate::settle_in_flight(Item& item) {
  if (!item.in_flight) return;
  coalescer_.requeue(item, std::move(*item.in_flight));
  item.in_flight.reset();
}

void Gate::item_done() {
  --under_way_;
  // While all items are asked their replays gather, to read the journal once for all of them.
  if (opening_ && under_way_ > 0) return;
  if (!behind_.empty() && !replay_) return start_replay();
  if (!opening_ || replay_) return;
  opening_ = false;
  coalescer_.set_ready(true);
  spdlog::info("Redis at {}: gate open, {} items", coalescer_.redis().endpoint().text(),
               coalescer_.items().size());
}

void Gate::start_replay() {
  std::vector<Replay::Target> targets;
  for (const Item* item : behind_) {
    targets.push_back(
        {item->name, item->item_key, item->buyers_key, item->receipts_key, item->sequence});
  }
  behind_.clear();
  replay_ = std::make_unique<Replay>(coalescer_.shared(), coalescer_.inbox(), coalescer_.redis(),
                                     std::move(targets),
                                     [this](const Replay::Result& result) { replayed(result); });
}

void Gate::replayed(const Replay::Result& result) {
  replay_.reset();
  if (!result.status)
    return coalescer_.shared().fatal(result.status.error().at("replaying the journal"));
  for (const auto& [name, why] : result.missing) {
    if (waits_for_server(why, true)) return;
  }
  spdlog::info("replayed {} records into Redis: {} items restored, {} not", result.records,
               result.restored.size(), result.missing.size());
  ++under_way_;
  for (const std::string& name : result.restored) open(coalescer_.item(name), true);
  for (const auto& [name, why] : result.missing) {
    coalescer_.item_refused(coalescer_.item(name),
                            "Redis lost it and it cannot be rebuilt: " + why);
  }
  item_done();
}

}  // namespace sluice::proxy::sale
