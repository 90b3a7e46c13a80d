#include "proxy/sale/coalescer.h"

#include <spdlog/spdlog.h>

#include <algorithm>

#include "base/clock.h"
#include "base/failpoint.h"
#include "proxy/sale/gate.h"
#include "proxy/sale/heartbeat.h"
#include "proxy/sale/script_call.h"

namespace sluice::proxy::sale {
namespace {

// So many that Redis's fixed cost of a call (about 10 us) is a small part of what it does for them.
constexpr size_t kFurtherBatchMin = 64;
// Of one item: one whose verdicts are on their way, one that Redis works on, one that waits for it.
constexpr size_t kBatchesInFlightMax = 3;
// Of all items together: so few that what comes for many items gathers here and not behind each
// other in Redis's socket. Half of them leave in one turn, so that Redis works on the others while
// the verdicts of these are dealt with.
constexpr size_t kCallsInFlightMax = 64;
constexpr size_t kCallsPerTurnMax = kCallsInFlightMax / 2;
constexpr auto kCheckInterval = std::chrono::milliseconds(250);
constexpr auto kStopCheckInterval = std::chrono::milliseconds(2);
constexpr int64_t kStopWaitUs = 2'000'000;

// An upper bound of the operation's journal record and frame overhead, in bytes.
size_t journal_bytes(const Operation& op) {
  constexpr size_t kFixed = 160;
  return kFixed + op.item.size() + op.user.size() + op.request.size() + op.fields.size();
}

auto find_batch(Item& item, uint64_t number) {
  return std::find_if(item.in_flight.begin(), item.in_flight.end(),
                      [=](const Batch& batch) { return batch.number == number; });
}

Batch take_out(Item& item, Batch& batch) {
  const auto place = find_batch(item, batch.number);
  Batch taken = std::move(batch);
  item.in_flight.erase(place);
  return taken;
}

}  // namespace

Coalescer::Coalescer(upstream::IoThread& thread, upstream::Inbox& inbox, upstream::Endpoint redis,
                     Shared& shared, SoldOutBoard& sold_out, Deliver deliver)
    : thread_(thread),
      inbox_(inbox),
      shared_(shared),
      deliver_(std::move(deliver)),
      redis_(thread, std::move(redis)),
      gate_(std::make_unique<Gate>(*this)),
      confirmation_(thread, redis_, shared,
                    [this](Item& item, Operation& op, const Verdict& verdict, bool is_durable) {
                      confirmed(item, op, verdict, is_durable);
                    }),
      tally_(thread, *shared.metrics),
      sold_out_(redis_, shared, sold_out),
      check_timer_(thread.context()) {}

Coalescer::~Coalescer() { thread_.forget(*this); }

void Coalescer::know_item(const std::string& name, uint64_t journaled_batch,
                          uint64_t journal_sequence) {
  shared_.selling.store(true, std::memory_order_relaxed);
  Item& known = item(name);
  known.sequence = journaled_batch;
  known.synced.set_last_lane_sequence(journaled_batch);
  known.drained.add(0, journal_sequence, journaled_batch);
}

void Coalescer::start() {
  schedule_check();
  redis_.start(
      {[this] { gate_->connected(); }, [this](const Error& why) { connection_lost(why); }});
}

void Coalescer::stop(std::function<void()> stopped) {
  stopped_ = true;
  sold_out_.stop();
  finish_stopping(base::monotonic_us() + kStopWaitUs, std::move(stopped));
}

bool Coalescer::quiet() const {
  return confirmation_.idle() && std::all_of(items_.begin(), items_.end(), [](const auto& entry) {
           return entry.second->idle();
         });
}

void Coalescer::finish_stopping(int64_t deadline_us, std::function<void()> stopped) {
  if (ready() && !quiet() && base::monotonic_us() < deadline_us) {
    check_timer_.expires_after(kStopCheckInterval);
    check_timer_.async_wait([this, deadline_us, stopped = std::move(stopped)](auto) mutable {
      finish_stopping(deadline_us, std::move(stopped));
    });
    return;
  }
  check_timer_.cancel();
  if (thread_.index() == 0) heartbeat_->stop();
  confirmation_.stop();
  redis_.close();
  for (auto& [name, item] : items_) {
    for (Batch& batch : item->in_flight) {
      for (Operation& op : batch.operations) {
        refuse(op, "UNKNOWNSTATE", "Sluice is stopping; ask with SECKILL.ORDER item user REQ id");
      }
    }
  }
  stopped();
}

Item& Coalescer::item(const std::string& name) {
  auto& slot = items_[name];
  if (!slot) {
    slot = std::make_unique<Item>(name, shared_.lane);
    shared_.items.fetch_add(1, std::memory_order_relaxed);
  }
  return *slot;
}

void Coalescer::submit(Operation&& op) {
  if (stopped_ || journal_failed_)
    return refuse(op, "LOADING", "Sluice is stopping; nothing happened");
  if (op.verb == Verb::kBuy && shared_.intake_paused.load(std::memory_order_relaxed)) {
    return refuse(op, "BUSY",
                  "intake is paused (SECKILL.RESUME INTAKE); nothing happened, retry later");
  }
  if (!ready()) return refuse(op, "LOADING", unavailable_ + "; nothing happened, retry later");
  if (queued_ >= shared_.limits.queued_operations) {
    return refuse(op, "BUSY",
                  "limits.purchases_in_flight is reached; nothing happened, retry later");
  }
  if (shared_.items.load(std::memory_order_relaxed) >= shared_.limits.items &&
      !items_.contains(op.item)) {
    return refuse(op, "BUSY", "limits.items is reached; nothing happened");
  }
  if (writes(op.verb)) {
    const size_t bytes = journal_bytes(op);
    if (!shared_.journal->reserve(bytes)) {
      return refuse(op, "BUSY",
                    "the journal is full (journal.max_bytes or its disk) until MySQL has "
                    "taken some of it; nothing happened, retry later");
    }
    op.reserved = bytes;
  }
  Item& target = item(op.item);
  if (target.state == Item::State::kRefused) return refuse(op, "ERR", target.refusal);
  if (target.state == Item::State::kReplaying || target.state == Item::State::kWaiting) {
    return refuse(op, "LOADING", target.refusal + "; nothing happened, retry later");
  }
  gather(target, std::move(op));
  if (target.state == Item::State::kShut) return gate_->open(target);
  enqueue(target);
}

void Coalescer::gather(Item& item, Operation&& op) {
  const size_t bytes = journal_bytes(op);
  const Limits& limits = shared_.limits;
  const bool fits = !item.waiting.empty() &&
                    item.waiting.back().operations.size() < limits.batch_operations &&
                    item.waiting.back().bytes + bytes <= limits.batch_bytes;
  if (!fits) {
    item.waiting.emplace_back();
    if (!spare_.empty()) {
      item.waiting.back().operations = std::move(spare_.back());
      spare_.pop_back();
    }
  }
  Gathering& last = item.waiting.back();
  last.operations.push_back(std::move(op));
  last.bytes += bytes;
  ++queued_;
}

// A batch that goes out behind another must foresee the lane sequence that it will find; it can
// only while the item sells, since a batch that accepts nothing does not raise it.
bool Coalescer::may_send(const Item& item) {
  if (item.waiting.empty() || item.state != Item::State::kOpen) return false;
  if (item.in_flight.empty()) return true;
  const bool many =
      item.waiting.size() > 1 || item.waiting.front().operations.size() >= kFurtherBatchMin;
  return many && item.in_flight.size() < kBatchesInFlightMax && item.selling &&
         item.in_flight.front().answer == Batch::Answer::kDue;
}

void Coalescer::enqueue(Item& item) {
  if (item.queued || !may_send(item)) return;
  item.queued = true;
  to_send_.push_back(&item);
  thread_.at_turn_end(*this);
}

void Coalescer::turn_ended() {
  const size_t most = std::min(calls_in_flight_ + kCallsPerTurnMax, kCallsInFlightMax);
  while (!to_send_.empty() && calls_in_flight_ < most) {
    Item& item = *to_send_.front();
    to_send_.pop_front();
    item.queued = false;
    send(item);
  }
}

void Coalescer::send(Item& item) {
  while (may_send(item)) {
    build_batch(item);
    call_script(item, item.in_flight.back(), true);
  }
}

void Coalescer::build_batch(Item& item) {
  Batch batch;
  batch.number = ++batches_;
  batch.expected = item.sequence + item.in_flight.size();
  batch.time_ms = base::wall_ms();
  batch.sent_us = base::monotonic_us();
  batch.operations = std::move(item.waiting.front().operations);
  item.waiting.pop_front();
  queued_ -= batch.operations.size();
  const auto purchases =
      std::count_if(batch.operations.begin(), batch.operations.end(),
                    [](const Operation& op) { return op.verb == Verb::kBuy; });
  OrderIds& ids = *shared_.order_ids;
  const uint64_t first = ids.take(static_cast<size_t>(purchases), batch.time_ms);
  batch.first_order_id = ids.at(first, 0);
  size_t taken = 0;
  for (Operation& op : batch.operations) {
    if (op.verb == Verb::kBuy) op.order_id = ids.at(first, taken++);
  }
  batch.payload = encode_operations(batch.time_ms, batch.operations, gate_->identity(),
                                    shared_.limits.retain_ms);
  shared_.metrics->batch_purchases.observe(batch.operations.size());
  item.in_flight.push_back(std::move(batch));
}

void Coalescer::call_script(Item& item, Batch& batch, bool by_sha) {
  item.synced.arrived(shared_.journal->synced_sequence());
  const std::string epoch = std::to_string(item.epoch), expected = std::to_string(batch.expected);
  const std::string synced = std::to_string(item.synced.last_lane_sequence());
  const Script& script = shared_.scripts.purchase;
  base::failpoint(base::Failpoint::kSaleBeforeScript);
  batch.answer = Batch::Answer::kDue;
  ++calls_in_flight_;
  redis_.call({by_sha ? "EVALSHA" : "EVAL", by_sha ? std::string_view(script.sha) : script.text,
               "3", item.item_key, item.buyers_key, item.receipts_key, shared_.lane, epoch,
               expected, synced, shared_.journal_id, batch.payload.operations,
               batch.payload.details},
              [this, &item, number = batch.number, by_sha](const Result<upstream::Reply>& reply) {
                --calls_in_flight_;
                if (!to_send_.empty()) thread_.at_turn_end(*this);
                answered(item, number, by_sha, reply);
              });
}

void Coalescer::answered(Item& item, uint64_t number, bool by_sha,
                         const Result<upstream::Reply>& reply) {
  if (!reply) return;  // unknown: the batch stays in flight until the gate has looked
  const auto batch = find_batch(item, number);
  if (batch == item.in_flight.end()) return;  // the gate has settled it meanwhile
  if (reply->is_error()) {
    redis_error(item, *batch, by_sha, reply->text());
  } else if (auto answer = parse_answer(reply->text(), batch->operations); !answer) {
    return item_refused(item, answer.error().message());
  } else if (answer->kind == Answer::Kind::kApplied && batch->expected != item.sequence) {
    // So was the batch before it, whose answer did not say so. The journal must not have this one
    // without that one: the gate reads both from their receipts, in order.
    return redis_.reconnect(
        Error(ErrorClass::kUnavailable, "it applied more of item " + item.name + " than it said"));
  } else if (answer->kind == Answer::Kind::kApplied) {
    applied(item, *batch, *answer);
  } else {
    not_applied(item, *batch, *answer);
  }
  settle_refused(item);
  enqueue(item);
  forget_if_unused(item);
}

// The script's checks come before its first write, so after an error reply nothing has happened.
void Coalescer::redis_error(Item& item, Batch& batch, bool by_sha, std::string_view text) {
  if (by_sha && text.starts_with("NOSCRIPT")) return call_script(item, batch, false);
  if (text.starts_with("LOADING") || text.starts_with("READONLY") ||
      text.starts_with("MASTERDOWN")) {
    return redis_.reconnect(Error(ErrorClass::kUnavailable, std::string(text)));
  }
  sold_out_.drop(item);
  const size_t space = std::min(text.find(' '), text.size());
  const std::string_view message = text.substr(std::min(space + 1, text.size()));
  spdlog::warn("item {}: Redis refused a batch: {}", item.name, text);
  for (Operation& op : take_out(item, batch).operations) refuse(op, text.substr(0, space), message);
}

void Coalescer::applied(Item& item, Batch& batch, Answer& answer) {
  item.set_epoch(answer.epoch);
  sold_out_.answered(item, batch, answer);
  base::failpoint(base::Failpoint::kSaleAfterScript);
  settle(item, answer.sequence, take_out(item, batch), std::move(answer.verdicts));
}

// Nothing was written. Answers come in the order of the calls, so a batch that finds the lane where
// the last applied one left it has lost nothing: it only foresaw a batch that wrote nothing.
void Coalescer::not_applied(Item& item, Batch& batch, const Answer& answer) {
  const bool foresaw = answer.kind == Answer::Kind::kGap && answer.sequence == item.sequence &&
                       batch.expected != item.sequence;
  batch.answer = foresaw ? Batch::Answer::kTooEarly : Batch::Answer::kRefused;
  if (!foresaw) sold_out_.drop(item);
}

// Once no answer is due any more, what was refused is sent again, in order; through the gate,
// unless it came too early and that was all.
void Coalescer::settle_refused(Item& item) {
  const auto has = [&item](Batch::Answer answer) {
    return std::any_of(item.in_flight.begin(), item.in_flight.end(),
                       [answer](const Batch& batch) { return batch.answer == answer; });
  };
  if (item.in_flight.empty() || has(Batch::Answer::kDue)) return;
  if (has(Batch::Answer::kRefused) || item.state != Item::State::kOpen) {
    requeue_in_flight(item);
    return gate_->open(item);
  }
  uint64_t expected = item.sequence;
  for (Batch& batch : item.in_flight) {
    batch.expected = expected++;
    call_script(item, batch, true);
  }
}

// Names that no item has cost nothing for longer than their answer takes.
void Coalescer::forget_if_unused(Item& item) {
  if (!item.idle() || item.sequence != 0 || item.existed || item.queued || item.polled) return;
  shared_.items.fetch_sub(1, std::memory_order_relaxed);
  items_.erase(item.name);
}

void Coalescer::requeue_in_flight(Item& item) {
  for (auto batch = item.in_flight.rbegin(); batch != item.in_flight.rend(); ++batch) {
    Gathering again{std::move(batch->operations)};
    // Without a sink: its client was told -UNKNOWNSTATE.
    std::erase_if(again.operations, [](const Operation& op) { return !op.sink; });
    if (again.operations.empty()) continue;
    for (Operation& op : again.operations) {
      if (op.verb == Verb::kBuy) op.order_id = 0;
      again.bytes += journal_bytes(op);
    }
    queued_ += again.operations.size();
    item.waiting.push_front(std::move(again));
  }
  item.in_flight.clear();
}

void Coalescer::item_opened(Item& item) {
  item.state = Item::State::kOpen;
  sold_out_.drop(item);  // the gate may have found anything
  enqueue(item);
  forget_if_unused(item);
}

void Coalescer::item_refused(Item& item, std::string why) {
  spdlog::error("item {}: not sold: {}", item.name, why);
  sold_out_.drop(item);
  item.state = Item::State::kRefused;
  item.refusal = std::move(why);
  refuse_waiting(item, "ERR", item.refusal);
  for (Batch& batch : item.in_flight) {
    for (Operation& op : batch.operations) refuse(op, "UNKNOWNSTATE", item.refusal);
  }
}

void Coalescer::item_waits(Item& item, Item::State state, std::string why) {
  item.state = state;
  item.refusal = std::move(why);
  sold_out_.drop(item);
  refuse_waiting(item, "LOADING", item.refusal + "; nothing happened, retry later");
}

void Coalescer::refuse_waiting(Item& item, std::string_view prefix, const std::string& message) {
  Queue<Gathering> waiting;
  waiting.swap(item.waiting);
  for (Gathering& each : waiting) {
    queued_ -= each.operations.size();
    for (Operation& op : each.operations) refuse(op, prefix, message);
  }
}

void Coalescer::make_unavailable(std::string why) {
  set_ready(false);
  sold_out_.drop_all();
  unavailable_ = std::move(why);
  for (auto& [name, item] : items_) {
    refuse_waiting(*item, "LOADING", unavailable_ + "; nothing happened, retry later");
  }
}

void Coalescer::connection_lost(const Error& why) {
  if (ready() && !stopped_)
    spdlog::warn("{}; purchases are refused until it is back", why.message());
  gate_->lost();
  confirmation_.lost();
  to_send_.clear();
  for (auto& [name, item] : items_) {
    item->queued = false;
    item->state = Item::State::kShut;
    item->polled = item->listed = item->needs_creation = false;
    item->trimmed = 0;
  }
  make_unavailable(why.message());
}

// A lane that sells drops its receipts with each call; an idle one must, since other proxies tell
// nobody of an order that is in one.
void Coalescer::trim_receipts() {
  if (shared_.lanes->alone() || !ready()) return;
  for (auto& [name, item] : items_) {
    if (item->state != Item::State::kOpen || !item->idle()) continue;
    item->synced.arrived(shared_.journal->synced_sequence());
    const uint64_t last = item->synced.last_lane_sequence();
    if (item->trimmed >= last) continue;
    item->trimmed = last;
    eval_script(redis_, shared_.scripts.receipts,
                {"1", item->receipts_key, "trim", std::to_string(last)},
                [trimmed_item = item.get()](const Result<upstream::Reply>& reply) {
                  // Its lane has batches: it is never forgotten.
                  if (reply && reply->is_error()) trimmed_item->trimmed = 0;
                });
  }
}

// A client is not kept waiting for ever for an outcome that may take long to find out.
void Coalescer::check_unknown() {
  const int64_t deadline_us = base::monotonic_us() - shared_.limits.unknown_after_us;
  for (auto& [name, item] : items_) {
    for (Batch& batch : item->in_flight) {
      if (batch.sent_us > deadline_us) break;
      for (Operation& op : batch.operations) {
        if (!op.sink) continue;
        refuse(op, "UNKNOWNSTATE",
               "Redis has not answered; ask with SECKILL.ORDER item user REQ id");
      }
    }
  }
}

void Coalescer::schedule_check() {
  check_timer_.expires_after(kCheckInterval);
  check_timer_.async_wait([this](boost::system::error_code failure) {
    if (failure) return;
    check_unknown();
    trim_receipts();
    sold_out_.forget_idle(base::monotonic_us());
    schedule_check();
  });
}

}  // namespace sluice::proxy::sale
