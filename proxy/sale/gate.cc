#include "proxy/sale/gate.h"

#include <spdlog/spdlog.h>

#include <algorithm>

#include "base/clock.h"
#include "proxy/sale/coalescer.h"
#include "proxy/sale/heartbeat.h"
#include "proxy/sale/lanes.h"
#include "proxy/upstream/info.h"

namespace sluice::proxy::sale {
namespace {

using upstream::info_value;
using upstream::Reply;

constexpr size_t kAskedMax = 512;        // gates under way at a time
constexpr size_t kWaitingPerBeat = 256;  // items asked again a beat

}  // namespace

void Gate::lost() {
  identity_.clear();
  queue_.clear();
  behind_.clear();
  waiting_.clear();
  under_way_ = 0;
  dormant_ = opening_ = entered_ = false;
  replay_.reset();
  if (coalescer_.thread().index() == 0) coalescer_.heartbeat().lost();
}

void Gate::connected() {
  auto& redis = coalescer_.redis();
  redis.call({"INFO"}, [this](const Result<Reply>& reply) {
    if (!reply) return;
    if (!reply->is_error()) return check_server(reply->text());
    // Without it every Redis looks like the one before, and like one that evicts nothing.
    coalescer_.redis().reconnect(
        Error(ErrorClass::kUnavailable, "Redis refused INFO: " + std::string(reply->text())));
  });
  const Scripts& scripts = coalescer_.shared().scripts;
  for (const Script* script :
       {&scripts.purchase, &scripts.gate, &scripts.replay, &scripts.receipts}) {
    redis.call({"SCRIPT", "LOAD", script->text}, [](const Result<Reply>& reply) {
      if (reply && reply->is_error()) spdlog::error("Redis refused a script: {}", reply->text());
    });
  }
}

void Gate::check_server(std::string_view info) {
  auto& redis = coalescer_.redis();
  if (info_value(info, "loading") == "1") {
    return redis.reconnect(Error(ErrorClass::kUnavailable, "Redis is loading its data"));
  }
  const std::string role = info_value(info, "role");
  if (role == "slave") {
    return redis.reconnect(Error(ErrorClass::kUnavailable, "it is a read-only replica"));
  }
  const std::string policy = info_value(info, "maxmemory_policy");
  if (!policy.empty() && policy != "noeviction") {
    return coalescer_.shared().fatal(Error(
        ErrorClass::kRefused, "Redis at " + redis.endpoint().text() +
                                  " runs with maxmemory-policy " + policy +
                                  " and may evict what is on sale; set it to noeviction "
                                  "(CONFIG SET maxmemory-policy noeviction, and in redis.conf)"));
  }
  const std::string process = info_value(info, "run_id") + ":" + info_value(info, "master_replid");
  if (coalescer_.thread().index() == 0) {
    spdlog::info("Redis at {}: version {}, run_id:replication id {} ({}), role {}",
                 redis.endpoint().text(), info_value(info, "redis_version"), process,
                 last_process_.empty()      ? "first seen"
                 : last_process_ == process ? "the same as before"
                                            : "was " + last_process_,
                 role);
  }
  last_process_ = process;
  identify();
}

// An application that only passes through must find no key that it did not write.
void Gate::identify() {
  if (coalescer_.shared().selling.load(std::memory_order_relaxed)) return take_nonce();
  coalescer_.redis().call({"EXISTS", kProxiesKey}, [this](const Result<Reply>& reply) {
    if (!reply) return;
    if (reply->is_error() || reply->integer() != 0 || coalescer_.shared().selling.load())
      return take_nonce();
    dormant_ = true;
    coalescer_.set_ready(true);
  });
}

void Gate::wake() {
  if (std::exchange(dormant_, false)) take_nonce();
}

void Gate::take_nonce() {
  auto& redis = coalescer_.redis();
  redis.call({"HSETNX", kProxiesKey, "nonce", new_nonce()}, [this](const Result<Reply>& reply) {
    if (!reply || !reply->is_error()) return;
    coalescer_.redis().reconnect(Error(ErrorClass::kUnavailable, std::string(reply->text())));
  });
  redis.call({"HGET", kProxiesKey, "nonce"}, [this](const Result<Reply>& reply) {
    if (!reply) return;
    const std::string nonce(reply->text());
    identity_ = last_process_ + ":" + nonce;
    if (coalescer_.thread().index() == 0) coalescer_.heartbeat().connected(identity_, nonce);
    join();
  });
}

// Begins when the heartbeat has made this proxy known to the others, on this same Redis.
void Gate::join() {
  if (entered_ || identity_.empty()) return;
  const Lanes::Standing standing = coalescer_.shared().lanes->standing();
  if (standing.identity == identity_ && standing.joined) {
    entered_ = true;
    return open_known_items();
  }
  if (standing.waits_for.empty() || standing.identity != identity_)
    return coalescer_.set_unavailable("the gate is being passed");
  coalescer_.make_unavailable(standing.waits_for);
}

// What the journal knows and what Redis's index names: the latter covers items whose creation was
// applied but not yet journaled when a proxy died.
void Gate::open_known_items() {
  began_us_ = base::monotonic_us();
  count_ = {};
  opening_ = true;
  coalescer_.set_unavailable("Redis and the journal are being compared");
  coalescer_.redis().call({"SMEMBERS", kItemsKey}, [this](const Result<Reply>& reply) {
    if (!reply) return;
    for (size_t i = 0; i < reply->size(); ++i) {
      const std::string name(reply->at(i).text());
      if (coalescer_.owns(name)) coalescer_.item(name);
    }
    for (auto& [name, item] : coalescer_.items()) open(*item);
    progress();
  });
}

void Gate::open(Item& item) {
  if (dormant_) coalescer_.heartbeat().wake();
  if (!entered_) return;  // the pass to come takes it with all others
  if (item.state == Item::State::kGating || item.state == Item::State::kReplaying) return;
  item.state = Item::State::kGating;
  queue_.push_back(&item);
  pump();
}

void Gate::beat(bool changed) {
  // Threads connect one by one, and Redis may become another between two of them.
  if (!identity_.empty() && identity_ != coalescer_.shared().lanes->standing().identity) {
    return coalescer_.redis().reconnect(
        Error(ErrorClass::kUnavailable, "it is not any more what the heartbeat knows"));
  }
  join();
  if (!entered_ || opening_) return;
  const size_t turns = changed ? waiting_.size() : std::min(waiting_.size(), kWaitingPerBeat);
  for (size_t i = 0; i < turns; ++i) {
    Item& item = *waiting_.front();
    waiting_.pop_front();
    item.polled = false;
    if (item.state != Item::State::kWaiting) continue;
    // So that a proxy which never asks for this item learns that it is waited for.
    if (!std::exchange(item.listed, true)) {
      coalescer_.redis().call({"SADD", kWaitingKey, item.name}, [](const auto&) {});
    }
    open(item);
  }
}

void Gate::look_at(const std::vector<std::string>& items) {
  if (!entered_ || opening_) return;
  for (const std::string& name : items) {
    if (!coalescer_.owns(name)) continue;
    Item& item = coalescer_.item(name);
    item.listed = true;
    // One that sells learns by itself, from GATE, that it has to wait.
    if (item.state != Item::State::kRefused && item.idle()) open(item);
  }
}

void Gate::pump() {
  while (under_way_ < kAskedMax && !queue_.empty()) {
    Item& item = *queue_.front();
    queue_.pop_front();
    ++under_way_;
    item_gate_.ask(item, [this](Item& asked, ItemGate::Outcome outcome) {
      --under_way_;
      item_done(asked, outcome);
      progress();
    });
  }
}

void Gate::item_done(Item& item, ItemGate::Outcome outcome) {
  if (outcome == ItemGate::Outcome::kOpened) {
    coalescer_.item_opened(item);
  } else if (outcome == ItemGate::Outcome::kBehind) {
    coalescer_.item_waits(item, Item::State::kReplaying,
                          "item " + item.name + " is being rebuilt from the journal");
    behind_.push_back(&item);
  } else if (outcome == ItemGate::Outcome::kWaits && !std::exchange(item.polled, true)) {
    waiting_.push_back(&item);
  }
}

// While all items are asked their replays gather, to read the journal once for all of them.
void Gate::progress() {
  pump();
  const bool asking = under_way_ > 0 || !queue_.empty();
  if (!behind_.empty() && !replay_ && !(opening_ && asking)) return start_replay();
  if (!opening_ || asking || replay_) return;
  opening_ = false;
  coalescer_.set_ready(true);
  report();
  coalescer_.heartbeat().passed(coalescer_.thread().index(), identity_);
}

void Gate::report() {
  coalescer_.shared().metrics->gate_passes.add();
  spdlog::info(
      "Redis at {}: gate passed in {:.3f} s: {} items compared, {} batches completed from "
      "receipts, {} "
      "items rebuilt with {} records, {} wait for other proxies",
      coalescer_.redis().endpoint().text(),
      static_cast<double>(base::monotonic_us() - began_us_) / 1e6, coalescer_.items().size(),
      count_.receipts, count_.behind, count_.records, waiting_.size());
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
    if (item_gate_.waits_for_server(why)) return;
  }
  count_.records += result.records;
  coalescer_.shared().metrics->gate_records.add(result.records);
  spdlog::info("replayed {} records into Redis: {} items restored, {} not", result.records,
               result.restored.size(), result.missing.size());
  const auto ask_again = [this](const std::string& name) -> Item& {
    Item& item = coalescer_.item(name);
    item.state = Item::State::kGating;
    queue_.push_back(&item);
    return item;
  };
  for (const std::string& name : result.restored) ask_again(name);
  for (const auto& [name, why] : result.missing) {
    if (why == "MISSING") {
      ask_again(name).needs_creation = true;
    } else {
      coalescer_.item_refused(coalescer_.item(name),
                              "Redis lost it and it cannot be rebuilt: " + why);
    }
  }
  progress();
}

}  // namespace sluice::proxy::sale
