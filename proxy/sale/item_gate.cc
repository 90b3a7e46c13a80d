#include "proxy/sale/item_gate.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <charconv>

#include "base/failpoint.h"
#include "proxy/sale/coalescer.h"
#include "proxy/sale/gate.h"
#include "proxy/sale/lanes.h"
#include "proxy/sale/script_call.h"

namespace sluice::proxy::sale {
namespace {

using upstream::Reply;

// The places of gate.lua's reply.
constexpr size_t kVerdict = 0, kEpoch = 1, kApplied = 2, kJournal = 3, kWait = 4, kFirst = 5,
                 kFound = 6, kExpected = 7, kReceipts = 8;

uint64_t number(std::string_view text) {
  uint64_t value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

// Error replies that speak of the server's state and not of the item: memory is full, the disk is,
// a script runs for too long, it became a replica. Nothing was written; later it may well be.
bool may_pass(std::string_view error) {
  constexpr std::string_view kStates[] = {"LOADING", "READONLY", "MASTERDOWN", "BUSY",
                                          "OOM",     "MISCONF",  "NOREPLICAS", "NOSCRIPT"};
  return std::any_of(std::begin(kStates), std::end(kStates), [error](std::string_view state) {
    return error.substr(0, error.find(' ')) == state;
  });
}

// "1,2" as its parts, and back.
std::vector<std::string> split(std::string_view lanes) {
  std::vector<std::string> parts;
  while (!lanes.empty()) {
    parts.emplace_back(lanes.substr(0, lanes.find(',')));
    lanes.remove_prefix(std::min(parts.back().size() + 1, lanes.size()));
  }
  return parts;
}

std::string join(const std::vector<std::string>& parts) {
  std::string lanes;
  for (const std::string& part : parts) lanes += (lanes.empty() ? "" : ",") + part;
  return lanes;
}

std::string others(std::string_view lanes, std::string_view own) {
  std::vector<std::string> parts = split(lanes);
  std::erase(parts, own);
  return join(parts);
}

std::string wait_text(const Item& item, const std::string& lanes) {
  return "item " + item.name + " waits for " + proxies_text(lanes) +
         " to bring back what Redis may have lost (" + forget_hint(lanes) + ")";
}

}  // namespace

bool ItemGate::waits_for_server(std::string_view error) {
  if (!may_pass(error)) return false;
  coalescer_.redis().reconnect(Error(ErrorClass::kUnavailable, std::string(error)));
  return true;
}

void ItemGate::ask(Item& item, Done done) {
  ++count_.items;
  call(item, false, std::move(done));
}

void ItemGate::call(Item& item, bool lost, Done done) {
  const Shared& shared = coalescer_.shared();
  std::string flags;
  // A batch whose answer never came may still arrive; with the epoch that it carries it must not be
  // applied once it is settled here.
  if (!item.in_flight.empty()) flags += 'r';
  if (item.retired) flags += 'k';
  if (lost) flags += 'l';
  eval_script(coalescer_.redis(), shared.scripts.gate,
              {"3", item.item_key, item.receipts_key, item.buyers_key, shared.lane,
               std::to_string(item.sequence), coalescer_.gate().identity(), shared.lanes->known(),
               shared.lanes->forgotten(), flags},
              [this, &item, lost, done = std::move(done)](const Result<Reply>& reply) {
                if (!reply || (reply->is_error() && waits_for_server(reply->text()))) return;
                bool is_missing = false;
                const Outcome outcome = answered(item, *reply, is_missing);
                if (is_missing && !lost) return missing(item, done);
                done(item, outcome);
              });
}

ItemGate::Outcome ItemGate::answered(Item& item, const Reply& reply, bool& is_missing) {
  if (reply.is_error() || reply.size() < kReceipts) {
    return refused(item, "Redis refused the gate script: " + std::string(reply.text()));
  }
  base::failpoint(base::Failpoint::kGateAfterEpoch);
  const std::string_view verdict = reply.at(kVerdict).text();
  const uint64_t applied = number(reply.at(kApplied).text());
  if (is_foreign(item, reply.at(kJournal).text())) return Outcome::kRefused;
  const std::string_view found = reply.at(kFound).text();
  if (!found.empty() && verdict != "EDITED") {
    spdlog::warn(
        "item {}: not as Sluice left it: stock, sold, fields of its buyers are {}, should "
        "be {}",
        item.name, found, reply.at(kExpected).text());
  }
  if (verdict == "EDITED") {
    std::string why = "item " + item.name +
                      " was edited in Redis (stock, sold, fields of its "
                      "buyers are " +
                      std::string(found) + ", should be " +
                      std::string(reply.at(kExpected).text()) +
                      ") and the journal does not hold "
                      "all of its orders any more: undo the edit";
    if (why != item.refusal) spdlog::error("{}", why);
    return waits(item, std::move(why));
  }
  item.set_epoch(number(reply.at(kEpoch).text()));
  const bool unknown_here = item.sequence == 0;
  if (unknown_here && coalescer_.shared().journal_begins_ms != 0) pass_over_journaled(item, reply);
  if (applied > item.sequence && !import_receipts(item, reply, applied)) return Outcome::kRefused;
  // What is still in flight was not applied, and with the epoch raised it cannot be any more.
  coalescer_.requeue_in_flight(item);
  const std::string lanes = others(reply.at(kWait).text(), coalescer_.shared().lane);
  if (verdict == "GONE" && item.needs_creation) {
    if (!lanes.empty()) return waits(item, wait_text(item, lanes));
    return refused(item, "Redis lost it and it cannot be rebuilt: its creation is in no journal");
  }
  if (verdict == "BEHIND" || verdict == "GONE") {
    ++count_.behind;
    spdlog::debug("item {}: Redis lacks batches up to {}", item.name, item.sequence);
    return Outcome::kBehind;
  }
  if (verdict == "WAIT") return waits(item, wait_text(item, lanes));
  is_missing = verdict == "MISSING";
  if (is_missing) return Outcome::kOpened;  // the caller looks further
  return opened(item);
}

// Redis has no such item, and nobody waits to bring it back. Before anybody is told so: was Redis
// flushed a moment ago, may another proxy still bring it, or was the item deleted by hand?
void ItemGate::missing(Item& item, Done done) {
  const auto lanes = std::make_shared<std::vector<std::string>>(
      split(coalescer_.shared().lanes->standing().not_passed));
  std::vector<std::string> fields{"HMGET", std::string(kProxiesKey), "nonce"};
  for (const std::string& lane : *lanes) fields.push_back(lane + ":passed");
  coalescer_.redis().call(std::vector<std::string_view>(fields.begin(), fields.end()),
                          [this, lanes](const Result<Reply>& reply) {
                            if (!reply || reply->is_error()) return;
                            const std::string& identity = coalescer_.gate().identity();
                            if (!identity.ends_with(":" + std::string(reply->at(0).text()))) {
                              const Error flushed(ErrorClass::kUnavailable, "Redis was flushed");
                              return coalescer_.redis().reconnect(flushed);
                            }
                            for (size_t i = lanes->size(); i > 0; --i) {
                              if (reply->at(i).text() == identity)
                                lanes->erase(lanes->begin() + ptrdiff_t(i) - 1);
                            }
                          });
  coalescer_.redis().call({"SISMEMBER", kItemsKey, item.name},
                          [this, &item, lanes, done = std::move(done)](const Result<Reply>& reply) {
                            if (!reply || (reply->is_error() && waits_for_server(reply->text())))
                              return;
                            if (!lanes->empty())
                              return done(item, waits(item, wait_text(item, join(*lanes))));
                            if (!reply->is_error() && reply->integer() == 1)
                              return call(item, true, done);
                            done(item, opened(item));
                          });
}

bool ItemGate::is_foreign(const Item& item, std::string_view journal_id) {
  const Shared& shared = coalescer_.shared();
  if (journal_id.empty() || journal_id == shared.journal_id) return false;
  shared.fatal(Error(ErrorClass::kRefused,
                     "item " + item.name + " in Redis has orders of proxy.id " + shared.lane +
                         " from another journal (" + std::string(journal_id) + ", this one is " +
                         shared.journal_id +
                         "); start with the journal.dir that holds them, or take a "
                         "proxy.id that was never used with this Redis"));
  return true;
}

// An item of which the journal may tell nothing any more: it was drained and closed long ago, and
// its segments are deleted. Its receipts were journaled up to those that are younger than what is
// left of the journal: a start imports every receipt that the journal lacks before anything new is
// written.
void ItemGate::pass_over_journaled(Item& item, const Reply& reply) {
  item.sequence = number(reply.at(kFirst).text()) - 1;
  for (size_t i = kReceipts; i < reply.size(); ++i) {
    const auto receipt = parse_receipt(reply.at(i).text(), item.name);
    if (!receipt || receipt->time_ms >= coalescer_.shared().journal_begins_ms) break;
    ++item.sequence;
  }
  item.retired = item.sequence != 0;
  item.synced.set_last_lane_sequence(item.sequence);
}

// Redis applied batches that the journal does not have: the proxy died, or the connection broke,
// between the script and the journal. Their receipts complete the orders.
bool ItemGate::import_receipts(Item& item, const Reply& reply, uint64_t applied) {
  const uint64_t first = number(reply.at(kFirst).text());
  if (first > item.sequence + 1 || reply.size() - kReceipts != applied + 1 - first) {
    refused(item, "Redis has applied batches up to " + std::to_string(applied) +
                      ", the journal ends at " + std::to_string(item.sequence) +
                      ", and receipts are missing; run sluice-ctl journal verify");
    return false;
  }
  for (size_t i = kReceipts + item.sequence + 1 - first; i < reply.size(); ++i) {
    const std::string_view text = reply.at(i).text();
    auto receipt = parse_receipt(text, item.name);
    if (!receipt || receipt->batch != item.sequence + 1) {
      refused(item, receipt ? "a receipt in Redis is out of order" : receipt.error().message());
      return false;
    }
    base::failpoint(base::Failpoint::kGateImport);
    Batch batch;
    batch.time_ms = receipt->time_ms;
    const auto sent = std::find_if(item.in_flight.begin(), item.in_flight.end(),
                                   [&](const Batch& each) { return each.payload.ends(text); });
    if (sent != item.in_flight.end()) {
      batch = std::move(*sent);
      item.in_flight.erase(sent);
    } else {
      batch.operations = std::move(receipt->operations);
    }
    ++count_.receipts;
    coalescer_.shared().metrics->gate_receipts.add();
    spdlog::debug("item {}: batch {} completed from its receipt", item.name, receipt->batch);
    for (const Operation& op : batch.operations) {
      // A cancel's or a query's id is what a client wrote there.
      if (op.verb == Verb::kBuy) coalescer_.shared().order_ids->raise_above(op.order_id);
    }
    coalescer_.settle(item, receipt->batch, std::move(batch),
                      std::move(receipt->verdicts));
  }
  return true;
}

ItemGate::Outcome ItemGate::opened(Item& item) {
  item.needs_creation = false;
  if (std::exchange(item.listed, false)) {
    coalescer_.redis().call({"SREM", kWaitingKey, item.name}, [](const auto&) {});
  }
  return Outcome::kOpened;
}

ItemGate::Outcome ItemGate::waits(Item& item, std::string why) {
  if (why != item.refusal) spdlog::debug("{}", why);
  coalescer_.item_waits(item, Item::State::kWaiting, std::move(why));
  return Outcome::kWaits;
}

ItemGate::Outcome ItemGate::refused(Item& item, std::string why) {
  coalescer_.item_refused(item, std::move(why));
  return Outcome::kRefused;
}

}  // namespace sluice::proxy::sale
