#include "proxy/sale/coalescer.h"

#include <spdlog/spdlog.h>

#include <algorithm>

#include "base/clock.h"
#include "base/failpoint.h"
#include "proxy/sale/gate.h"
#include "proxy/sale/heartbeat.h"
#include "proxy/sale/replies.h"
#include "proxy/sale/script_call.h"

namespace sluice::proxy::sale {
namespace {

constexpr auto kCheckInterval = std::chrono::milliseconds(250);
constexpr auto kStopCheckInterval = std::chrono::milliseconds(2);
constexpr int64_t kStopWaitUs = 2'000'000;

// An upper bound of the operation's journal record and frame overhead, in bytes.
size_t journal_bytes(const Operation& op) {
  constexpr size_t kFixed = 160;
  return kFixed + op.item.size() + op.user.size() + op.request.size() + op.fields.size();
}

// Verdicts that tell a client of an order (or a definition) accepted earlier, possibly a moment
// ago: they wait with the commits before them, since nothing is told before it is durable.
bool speaks_of_earlier(const Verdict& verdict) {
  return verdict.kind == 'R' || verdict.kind == 'L' || verdict.kind == 'F' || verdict.kind == 'D';
}

// The order that a reply names, for its durability; 0: none.
uint64_t named_order(const Operation& op, const Verdict& verdict) {
  if (verdict.kind == 'A') return op.order_id;
  return verdict.kind == 'R' || verdict.kind == 'F' ? static_cast<uint64_t>(verdict.numbers[0]) : 0;
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
      sold_out_(redis_, shared, sold_out),
      check_timer_(thread.context()) {}

Coalescer::~Coalescer() { thread_.forget(*this); }

void Coalescer::know_item(const std::string& name, uint64_t journaled_batch,
                          uint64_t journal_sequence) {
  shared_.selling.store(true, std::memory_order_relaxed);
  Item& known = item(name);
  known.sequence = journaled_batch;
  known.synced.set_last_batch(journaled_batch);
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
    if (!item->in_flight) continue;
    for (Operation& op : item->in_flight->operations) {
      refuse(op, "UNKNOWNSTATE", "Sluice is stopping; ask with SECKILL.ORDER item user REQ id");
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

void Coalescer::submit(Operation op) {
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
  target.waiting.push_back(std::move(op));
  ++queued_;
  if (target.state == Item::State::kShut) return gate_->open(target);
  enqueue(target);
}

void Coalescer::enqueue(Item& item) {
  if (item.queued || item.in_flight || item.waiting.empty() || item.state != Item::State::kOpen)
    return;
  item.queued = true;
  to_send_.push_back(&item);
  thread_.at_turn_end(*this);
}

void Coalescer::turn_ended() {
  std::vector<Item*> items;
  items.swap(to_send_);
  for (Item* item : items) {
    item->queued = false;
    send(*item);
  }
}

void Coalescer::send(Item& item) {
  build_batch(item);
  call_script(item, true);
}

void Coalescer::build_batch(Item& item) {
  Batch batch;
  batch.time_ms = base::wall_ms();
  batch.sent_us = base::monotonic_us();
  size_t bytes = 0, purchases = 0;
  while (!item.waiting.empty() && batch.operations.size() < shared_.limits.batch_operations) {
    Operation& op = item.waiting.front();
    bytes += journal_bytes(op);
    if (bytes > shared_.limits.batch_bytes && !batch.operations.empty()) break;
    purchases += op.verb == Verb::kBuy;
    batch.operations.push_back(std::move(op));
    item.waiting.pop_front();
    --queued_;
  }
  OrderIds& ids = *shared_.order_ids;
  const uint64_t first = ids.take(purchases, batch.time_ms);
  batch.first_order_id = ids.at(first, 0);
  size_t taken = 0;
  for (Operation& op : batch.operations) {
    if (op.verb == Verb::kBuy) op.order_id = ids.at(first, taken++);
  }
  batch.payload = encode_operations(batch.time_ms, batch.operations, gate_->identity(),
                                    shared_.limits.retain_ms);
  shared_.metrics->batch_purchases.observe(batch.operations.size());
  item.in_flight = std::move(batch);
}

void Coalescer::call_script(Item& item, bool by_sha) {
  item.synced.arrived(shared_.journal->synced_sequence());
  const std::string epoch = std::to_string(item.epoch), sequence = std::to_string(item.sequence);
  const std::string synced = std::to_string(item.synced.last_batch());
  const Script& script = shared_.scripts.purchase;
  base::failpoint(base::Failpoint::kSaleBeforeScript);
  redis_.call({by_sha ? "EVALSHA" : "EVAL", by_sha ? std::string_view(script.sha) : script.text,
               "3", item.item_key, item.buyers_key, item.receipts_key, shared_.lane, epoch,
               sequence, synced, shared_.journal_id, item.in_flight->payload},
              [this, &item, by_sha](const Result<upstream::Reply>& reply) {
                answered(item, by_sha, reply);
              });
}

void Coalescer::answered(Item& item, bool by_sha, const Result<upstream::Reply>& reply) {
  if (!reply) return;  // unknown: the batch stays in flight until the gate has looked
  if (reply->is_error()) return redis_error(item, by_sha, reply->text());
  auto answer = parse_answer(reply->text());
  if (!answer) return item_refused(item, answer.error().message());
  Batch batch = std::move(*item.in_flight);
  item.in_flight.reset();
  if (answer->kind != Answer::Kind::kApplied) {  // nothing was written
    sold_out_.drop(item);
    requeue(item, std::move(batch));
    return gate_->open(item);
  }
  if (answer->verdicts.size() != batch.operations.size()) {
    item.in_flight = std::move(batch);
    return item_refused(item, "the purchase script answered for another batch");
  }
  item.epoch = answer->epoch;
  sold_out_.answered(item, batch, *answer);
  base::failpoint(base::Failpoint::kSaleAfterScript);
  settle(item, answer->sequence, std::move(batch), answer->verdicts);
  enqueue(item);
  forget_if_unused(item);
}

// The script's checks come before its first write, so after an error reply nothing has happened.
void Coalescer::redis_error(Item& item, bool by_sha, std::string_view text) {
  if (by_sha && text.starts_with("NOSCRIPT")) return call_script(item, false);
  if (text.starts_with("LOADING") || text.starts_with("READONLY") ||
      text.starts_with("MASTERDOWN")) {
    return redis_.reconnect(Error(ErrorClass::kUnavailable, std::string(text)));
  }
  sold_out_.drop(item);
  const size_t space = std::min(text.find(' '), text.size());
  const std::string_view message = text.substr(std::min(space + 1, text.size()));
  spdlog::warn("item {}: Redis refused a batch: {}", item.name, text);
  const Batch batch = std::move(*item.in_flight);
  item.in_flight.reset();
  for (Operation op : batch.operations) refuse(op, text.substr(0, space), message);
  enqueue(item);
}

void Coalescer::settle(Item& item, uint64_t sequence, Batch batch,
                       const std::vector<Verdict>& verdicts) {
  std::string records;
  uint64_t order_id_max = 0;
  const uint32_t count =
      append_accepted(records, batch.operations, verdicts, sequence, batch.time_ms, order_id_max);
  if (count > 0) {
    item.sequence = sequence;
    item.commits.push_back({sequence, batch.first_order_id, {}});
  }
  size_t reserved = 0;
  for (size_t i = 0; i < batch.operations.size(); ++i) {
    Operation& op = batch.operations[i];
    const Verdict& verdict = verdicts[i];
    const bool fact = verdict.accepted() && writes(op.verb);
    if (fact) {
      reserved += std::exchange(op.reserved, 0);
      if (op.verb == Verb::kCreate)
        redis_.call({"SADD", "sluice:items", op.item}, [](const auto&) {});
    }
    if (speaks_of_earlier(verdict) && confirmation_.needed(op, verdict)) {
      confirmation_.hold(item, std::move(op), verdict);
    } else if (!item.commits.empty() && (fact || speaks_of_earlier(verdict))) {
      item.commits.back().replies.emplace_back(std::move(op), verdict);
    } else if (journal_failed_ && speaks_of_earlier(verdict)) {
      refuse(op, "UNKNOWNSTATE", "the journal failed and may not have the order; retry later");
    } else {
      reply(item, op, verdict);
    }
  }
  if (count == 0) return;
  shared_.journal->submit(std::move(records), count, reserved, order_id_max,
                          [this, &item](const journal::CommitOutcome& outcome) {
                            inbox_.push([this, &item, outcome] { committed(item, outcome); });
                          });
}

// What another proxy accepted is durable there (or not known to be); what this one did meanwhile
// waits for its commits as ever.
void Coalescer::confirmed(Item& item, Operation& op, const Verdict& verdict, bool is_durable) {
  if (!is_durable) {
    refuse(op, "UNKNOWNSTATE",
           "another proxy has accepted it and is not known to have recorded it; ask again");
  } else if (!item.commits.empty()) {
    item.commits.back().replies.emplace_back(std::move(op), verdict);
  } else if (journal_failed_) {
    refuse(op, "UNKNOWNSTATE", "the journal failed and may not have the order; retry later");
  } else {
    reply(item, op, verdict);
  }
}

void Coalescer::committed(Item& item, const journal::CommitOutcome& outcome) {
  Commit commit = std::move(item.commits.front());
  item.commits.pop_front();
  if (!outcome.status) {
    journal_failed_ = true;  // from here on Redis knows of orders that may never be durable
    sold_out_.stop();
    for (auto& [op, verdict] : commit.replies) {
      refuse(op, "UNKNOWNSTATE",
             "the journal failed after Redis accepted: " + outcome.status.error().message() +
                 "; ask with SECKILL.ORDER item user REQ id");
    }
    return shared_.fatal(outcome.status.error().at("journal"));
  }
  base::failpoint(base::Failpoint::kSaleBeforeReply);
  item.synced.add(commit.first_order_id, outcome.last_sequence, commit.batch);
  item.synced.arrived(shared_.journal->synced_sequence());
  item.drained.add(commit.first_order_id, outcome.last_sequence, commit.batch);
  for (auto& [op, verdict] : commit.replies) reply(item, op, verdict);
}

void Coalescer::reply(Item& item, Operation& op, const Verdict& verdict) {
  release(op);
  SaleMetrics& metrics = *shared_.metrics;
  if (op.verb == Verb::kBuy) {
    metrics.result(result_label(verdict)).add();
    if (verdict.accepted() && verdict.numbers[0] < 0) metrics.oversell.add();
  }
  if (!op.sink) return;
  const uint64_t order_id = named_order(op, verdict);
  std::string bytes = encode_reply(op, verdict, order_id == 0 ? "" : durability(item, order_id));
  const int64_t took_us = base::monotonic_us() - op.received_us;
  if (op.verb == Verb::kBuy) metrics.purchase_seconds.observe(static_cast<uint64_t>(took_us));
  shared_.slow_log.note(op, took_us);
  deliver_(op, std::move(bytes));
}

void Coalescer::refuse(Operation& op, std::string_view prefix, std::string_view message) {
  release(op);
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

std::string_view Coalescer::durability(Item& item, uint64_t order_id) {
  // What another proxy's journal holds is not known here: claim the least.
  if (std::to_string(OrderIds::proxy_of(order_id)) != shared_.lane) return "memory";
  item.drained.arrived(shared_.drained_sequence.load(std::memory_order_relaxed));
  if (item.drained.has_arrived(order_id)) return "database";
  item.synced.arrived(shared_.journal->synced_sequence());
  return item.synced.has_arrived(order_id) ? "disk" : "memory";
}

// Names that no item has cost nothing for longer than their answer takes.
void Coalescer::forget_if_unused(Item& item) {
  if (!item.idle() || item.sequence != 0 || item.epoch != 0 || item.queued || item.polled) return;
  shared_.items.fetch_sub(1, std::memory_order_relaxed);
  items_.erase(item.name);
}

void Coalescer::requeue(Item& item, Batch batch) {
  for (auto op = batch.operations.rbegin(); op != batch.operations.rend(); ++op) {
    if (!op->sink) continue;  // its client was told -UNKNOWNSTATE
    op->order_id = op->verb == Verb::kBuy ? 0 : op->order_id;
    item.waiting.push_front(std::move(*op));
    ++queued_;
  }
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
  if (!item.in_flight) return;
  for (Operation& op : item.in_flight->operations) refuse(op, "UNKNOWNSTATE", item.refusal);
}

void Coalescer::item_waits(Item& item, Item::State state, std::string why) {
  item.state = state;
  item.refusal = std::move(why);
  sold_out_.drop(item);
  refuse_waiting(item, "LOADING", item.refusal + "; nothing happened, retry later");
}

void Coalescer::refuse_waiting(Item& item, std::string_view prefix, const std::string& message) {
  Queue<Operation> waiting;
  waiting.swap(item.waiting);
  queued_ -= waiting.size();
  for (Operation& op : waiting) refuse(op, prefix, message);
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
    item->polled = item->listed = false;
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
    const uint64_t last = item->synced.last_batch();
    if (item->trimmed >= last) continue;
    item->trimmed = last;
    eval_script(redis_, shared_.scripts.receipts,
                {"1", item->receipts_key, "trim", std::to_string(last)},
                [item = item.get()](const Result<upstream::Reply>& reply) {
                  // Its lane has batches: it is never forgotten.
                  if (reply && reply->is_error()) item->trimmed = 0;
                });
  }
}

// A client is not kept waiting for ever for an outcome that may take long to find out.
void Coalescer::check_unknown() {
  const int64_t deadline_us = base::monotonic_us() - shared_.limits.unknown_after_us;
  for (auto& [name, item] : items_) {
    if (!item->in_flight || item->in_flight->sent_us > deadline_us) continue;
    for (Operation& op : item->in_flight->operations) {
      if (!op.sink) continue;
      refuse(op, "UNKNOWNSTATE", "Redis has not answered; ask with SECKILL.ORDER item user REQ id");
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
