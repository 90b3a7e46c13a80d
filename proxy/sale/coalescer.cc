#include "proxy/sale/coalescer.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <utility>

#include "base/clock.h"
#include "base/failpoint.h"
#include "proxy/sale/lanes.h"
#include "proxy/sale/replies.h"
#include "proxy/sale/script_call.h"

namespace sluice::proxy::sale {
namespace {

using State = Shelf::State;

// So many that Redis's fixed cost of a call (about 16 us) is a small part of what it does for them.
constexpr size_t kFurtherBatchMin = 64;
// Of all shelves together: so few that what comes for many items gathers here and not behind each
// other in Redis's socket. Half of them leave in one turn, so that Redis works on the others while
// the verdicts of these are dealt with.
constexpr size_t kCallsInFlightMax = 64;
constexpr size_t kCallsPerTurnMax = kCallsInFlightMax / 2;
constexpr auto kCheckInterval = std::chrono::milliseconds(250);
constexpr auto kStopCheckInterval = std::chrono::milliseconds(2);
constexpr int64_t kStopWaitUs = 2'000'000;

// An upper bound of the operation's journal record and frame overhead, in bytes.
size_t journal_bytes(const Operation& op) {
  constexpr size_t kFixed = 176;
  return kFixed + op.item.size() + op.user.size() + op.request.size() + op.fields.size();
}

// What holds the journal's room.
std::string no_room_text(const Shared& shared) {
  const uint64_t written = shared.journal->written_sequence();
  const uint64_t drained = shared.drained_sequence.load(std::memory_order_relaxed);
  const std::string full = "the journal is full (journal.max_bytes or its disk)";
  if (drained >= written)
    return full + ", though MySQL has all of it: the flusher deletes what it kept of it";
  return full + " until MySQL has taken some of its " + std::to_string(written - drained) +
         " records";
}

bool has(const Shelf& shelf, ShelfBatch::Answer answer) {
  const auto& sent = shelf.in_flight();
  return std::any_of(sent.begin(), sent.end(),
                     [answer](const ShelfBatch& batch) { return batch.answer == answer; });
}

}  // namespace

Coalescer::Coalescer(upstream::IoThread& thread, upstream::Inbox& inbox,
                     upstream::RedisClient& redis, Shared& shared, FlusherPort& flusher,
                     ShelfMap& shelves, Gate& gate, SoldOutBoard& sold_out, Deliver deliver)
    : thread_(thread),
      inbox_(inbox),
      redis_(redis),
      shared_(shared),
      shelves_(shelves),
      gate_(gate),
      deliver_(std::move(deliver)),
      confirmation_(thread, redis_, shared,
                    [this](Shelf& shelf, Operation& op, const Verdict& verdict, bool is_durable) {
                      confirmed(shelf, op, verdict, is_durable);
                    }),
      deletions_(shared),
      holds_(thread, redis_, shared, shelves, [this](Operation&& op) { submit(std::move(op)); }),
      arrivals_(
          thread, inbox, shared, flusher,
          [this](Shelf& shelf, uint64_t order_id) {
            return durability(shelf, order_id) == "database";
          },
          deliver_),
      tally_(thread, *shared.metrics),
      board_(shared.item_board.add_part()),
      sold_out_(redis_, shared, sold_out),
      check_timer_(thread.context()),
      entries_(shared.shelves) {}

Coalescer::~Coalescer() { thread_.forget(*this); }

void Coalescer::start() {
  schedule_check();
  holds_.start();
}

void Coalescer::stop(std::function<void()> quiet) {
  stopped_ = true;
  holds_.stop();
  sold_out_.stop();
  await_quiet(base::monotonic_us() + kStopWaitUs, std::move(quiet));
}

bool Coalescer::quiet() const {
  return confirmation_.idle() && std::all_of(shelves_.begin(), shelves_.end(),
                                             [](const auto& shelf) { return shelf->idle(); });
}

void Coalescer::await_quiet(int64_t deadline_us, std::function<void()> done) {
  if (!redis_.connected() || quiet() || base::monotonic_us() >= deadline_us) {
    check_timer_.cancel();
    return done();
  }
  check_timer_.expires_after(kStopCheckInterval);
  check_timer_.async_wait([this, deadline_us, done = std::move(done)](auto) mutable {
    await_quiet(deadline_us, std::move(done));
  });
}

void Coalescer::end() {
  arrivals_.stop();
  confirmation_.stop();
  for (const auto& shelf : shelves_) {
    for (Operation& op : shelf->take_all_waiting())
      refuse(op, "LOADING", "Sluice is stopping; nothing happened");
    for (ShelfBatch& batch : shelf->in_flight()) {
      for (Operation& op : batch.operations) {
        refuse(op, "UNKNOWNSTATE", "Sluice is stopping; ask with SECKILL.ORDER item user REQ id");
      }
    }
  }
}

void Coalescer::submit(Operation&& op) {
  if (stopped_ || journal_failed_)
    return refuse(op, "LOADING", "Sluice is stopping; nothing happened");
  if (op.verb == Verb::kBuy && shared_.intake_paused.load(std::memory_order_relaxed)) {
    return refuse(op, "BUSY",
                  "intake is paused (SECKILL.RESUME INTAKE); nothing happened, retry later");
  }
  if (writes(op.verb) && shared_.veto.stands()) {
    return refuse(op, "LOADING", shared_.veto.why() + "; nothing happened");
  }
  if (queued_ >= shared_.limits.queued_operations) {
    return refuse(op, "BUSY",
                  "limits.purchases_in_flight is reached; nothing happened, retry later");
  }
  if (op.verb == Verb::kCreate &&
      shared_.items.load(std::memory_order_relaxed) >= shared_.limits.items) {
    return refuse(op, "BUSY", "limits.items is reached; nothing happened");
  }
  Shelf& shelf = shelves_.of(op.item);
  const bool sells = shelf.state() == State::kOpen || shelf.state() == State::kAsking;
  if (!sells && !gate_.dormant()) {
    return refuse(op, shelf.prefix(), shelf.why() + "; nothing happened, retry later");
  }
  if (op.verb == Verb::kDelete && !deletions_.may_ask(shelf, op)) {
    return tell(op, deletions_.to_confirm(), "");
  }
  if (!take_room(op)) {
    return refuse(op, "BUSY", no_room_text(shared_) + "; nothing happened, retry later");
  }
  gather(shelf, std::move(op));
  if (!sells) return gate_.wake_all();
  enqueue(shelf);
}

void Coalescer::deleting(Shelf& shelf, const std::string& item) {
  if (shelf.state() != State::kOpen) return;
  Operation op;
  op.verb = Verb::kDelete;
  op.item = item;
  submit(std::move(op));
}

bool Coalescer::take_room(Operation& op) {
  if (!writes(op.verb)) return true;
  const size_t bytes = journal_bytes(op);
  if (!shared_.journal->reserve(bytes)) return false;
  SLUICE_ASSERT(op.reserved == 0, "room is taken once");
  op.reserved = bytes;
  return true;
}

void Coalescer::gather(Shelf& shelf, Operation&& op) {
  const size_t bytes = journal_bytes(op);
  shelf.gather(std::move(op), bytes, shared_.limits.batch_operations, shared_.limits.batch_bytes);
  ++queued_;
}

bool Coalescer::may_send(const Shelf& shelf) {
  return shelf.may_send_another() &&
         (shelf.in_flight().empty() || shelf.many_wait(kFurtherBatchMin));
}

void Coalescer::enqueue(Shelf& shelf) {
  Entry& entry = entries_[shelf.number];
  if (entry.queued || !may_send(shelf)) return;
  entry.queued = true;
  to_send_.push_back(&shelf);
  thread_.at_turn_end(*this);
}

void Coalescer::turn_ended() {
  const size_t most = std::min(calls_in_flight_ + kCallsPerTurnMax, kCallsInFlightMax);
  while (!to_send_.empty() && calls_in_flight_ < most) {
    Shelf& shelf = *to_send_.front();
    to_send_.pop_front();
    entries_[shelf.number].queued = false;
    send(shelf);
  }
}

void Coalescer::send(Shelf& shelf) {
  while (may_send(shelf)) {
    const int64_t now_ms = base::wall_ms();
    if (!shared_.clock.is_good(now_ms))
      return refuse_waiting(shelf, "LOADING", shared_.clock.fault(now_ms));
    shared_.clock.saw(now_ms);
    ShelfBatch& batch = shelf.send(build_batch(shelf, now_ms));
    call_script(shelf, batch, true);
  }
}

ShelfBatch Coalescer::build_batch(Shelf& shelf, int64_t now_ms) {
  ShelfBatch batch;
  batch.number = ++batches_;
  batch.time_ms = now_ms;
  batch.sent_us = base::monotonic_us();
  batch.operations = shelf.take_waiting();
  queued_ -= batch.operations.size();
  group_by_item(batch.operations);
  const auto takes_id = [](const Operation& op) {
    return op.verb == Verb::kBuy || op.verb == Verb::kCreate;
  };
  const auto wanted = std::count_if(batch.operations.begin(), batch.operations.end(), takes_id);
  OrderIds& ids = *shared_.order_ids;
  const uint64_t first = ids.take(static_cast<size_t>(wanted), batch.time_ms);
  batch.first_order_id = ids.at(first, 0);
  size_t taken = 0;
  for (Operation& op : batch.operations) {
    if (takes_id(op)) op.order_id = ids.at(first, taken++);
    if (op.verb == Verb::kReopen) op.hold_ms = shared_.limits.retain_ms;
  }
  const std::string kinds = kinds_text(batch.operations);
  entries_[shelf.number].foresight.foresee(batch, kinds);
  batch.payload = encode_call(batch.time_ms, batch.operations, kinds, batch.forecasts);
  shared_.metrics->batch_purchases.observe(batch.operations.size());
  return batch;
}

void Coalescer::call_script(Shelf& shelf, ShelfBatch& batch, bool by_sha) {
  shelf.synced.arrived(shared_.journal->synced_sequence());
  const std::string writer = shared_.writer(shelf.epoch());
  CallWords words({shelf.number, shared_.lane, writer, shelf.epoch(), batch.expected,
                   shelf.synced.last_lane_sequence()},
                  batch.payload);
  const Script& script = shared_.scripts.purchase;
  base::failpoint(base::Failpoint::kSaleBeforeScript);
  batch.answer = ShelfBatch::Answer::kDue;
  ++calls_in_flight_;
  redis_.call(by_sha ? words.with("EVALSHA", script.sha) : words.with("EVAL", script.text),
              [this, &shelf, number = batch.number, by_sha](const Result<upstream::Reply>& reply) {
                --calls_in_flight_;
                if (!to_send_.empty()) thread_.at_turn_end(*this);
                answered(shelf, number, by_sha, reply);
              });
}

void Coalescer::answered(Shelf& shelf, uint64_t number, bool by_sha,
                         const Result<upstream::Reply>& reply) {
  if (!reply) return;  // unknown: the batch stays in flight until the gate has looked
  ShelfBatch* batch = shelf.find(number);
  if (batch == nullptr) return;  // the gate has settled it meanwhile
  if (reply->is_error()) {
    if (by_sha && reply->text().starts_with("NOSCRIPT")) return call_script(shelf, *batch, false);
    // The script's checks come before its first write: nothing has happened.
    batch->answer = ShelfBatch::Answer::kRefused;
    gate_.refused(shelf, reply->text());
  } else if (auto answer = parse_call_answer(reply->text(), batch->operations, batch->forecasts);
             !answer) {
    return gate_.contradicts(shelf, answer.error().message());
  } else if (answer->kind == CallAnswer::Kind::kApplied &&
             batch->expected != shelf.lane_sequence()) {
    // So was the batch before it, whose answer did not say so. The journal must not have this one
    // without that one: the gate reads both from their receipts, in order.
    return redis_.reconnect(
        Error(ErrorClass::kUnavailable,
              "it applied more of shelf " + std::to_string(shelf.number) + " than it said"));
  } else if (answer->kind == CallAnswer::Kind::kApplied) {
    applied(shelf, *batch, *answer);
  } else {
    not_applied(shelf, *batch, *answer);
  }
  settle_refused(shelf);
  enqueue(shelf);
}

void Coalescer::applied(Shelf& shelf, ShelfBatch& batch, CallAnswer& answer) {
  sold_out_.answered(shelf, batch, answer);
  entries_[shelf.number].foresight.answered(batch, answer.items);
  holds_.applied(shelf, batch.operations, answer.items, answer.verdicts);
  shared_.metrics->redis_seconds.observe(
      static_cast<uint64_t>(std::max<int64_t>(thread_.now_us() - batch.sent_us, 0)));
  note_sold(batch, answer.verdicts);
  base::failpoint(base::Failpoint::kSaleAfterScript);
  settle(shelf, answer.lane_sequence, shelf.take(batch.number), answer.items,
         std::move(answer.verdicts));
}

// Nothing was written. Answers come in the order of the calls, so a batch that finds the lane where
// the last applied one left it has lost nothing: it only foresaw a batch that wrote nothing.
// The operations of an item stand one after the other.
void Coalescer::note_sold(const ShelfBatch& batch, const std::vector<Verdict>& verdicts) {
  uint64_t units = 0;
  for (size_t i = 0; i < batch.operations.size(); ++i) {
    const Operation& op = batch.operations[i];
    if (op.verb == Verb::kBuy && verdicts[i].accepted()) {
      units += static_cast<uint64_t>(op.quantity);
    }
    if (i + 1 < batch.operations.size() && batch.operations[i + 1].item == op.item) continue;
    if (units > 0) board_.sold(op.item, std::exchange(units, 0));
  }
}

void Coalescer::not_applied(Shelf& shelf, ShelfBatch& batch, const CallAnswer& answer) {
  if (answer.kind == CallAnswer::Kind::kImpostor) {
    shared_.fatal(Error(ErrorClass::kRefused, "another process sells as proxy.id " + shared_.lane +
                                                  " now (journal and incarnation " + answer.who +
                                                  "): this one was taken over"));
  }
  if (answer.kind == CallAnswer::Kind::kIds) shared_.order_ids->raise_above(answer.born);
  const bool foresaw = answer.kind == CallAnswer::Kind::kGap &&
                       answer.lane_sequence == shelf.lane_sequence() &&
                       batch.expected != shelf.lane_sequence();
  batch.answer = foresaw ? ShelfBatch::Answer::kTooEarly : ShelfBatch::Answer::kRefused;
  if (!foresaw) sold_out_.drop(shelf);
  if (answer.kind == CallAnswer::Kind::kEdited) entries_[shelf.number].edited = answer.who;
}

// Once no answer is due any more, what was refused is sent again, in order; through the gate,
// unless it came too early and that was all.
void Coalescer::settle_refused(Shelf& shelf) {
  if (shelf.in_flight().empty() || has(shelf, ShelfBatch::Answer::kDue)) return;
  if (has(shelf, ShelfBatch::Answer::kRefused) || shelf.state() != State::kOpen) {
    put_back(shelf);
    if (shelf.state() == State::kAsking) return;  // sent once it is answered
    if (shelf.state() != State::kOpen) return closed(shelf);
    const std::string edited = std::exchange(entries_[shelf.number].edited, {});
    return edited.empty() ? gate_.ask(shelf) : gate_.edited(shelf, edited);
  }
  uint64_t expected = shelf.lane_sequence();
  for (ShelfBatch& batch : shelf.in_flight()) {
    batch.expected = expected++;
    call_script(shelf, batch, true);
  }
}

void Coalescer::put_back(Shelf& shelf) {
  // What nobody waits for any more is not sent again.
  for (ShelfBatch& batch : shelf.in_flight()) {
    for (Operation& op : batch.operations) {
      if (!op.sink) release(op);
    }
  }
  entries_[shelf.number].foresight.forget();
  const size_t before = shelf.waiting_operations();
  shelf.put_back(journal_bytes);
  queued_ += shelf.waiting_operations() - before;
}

void Coalescer::opened(Shelf& shelf) {
  enqueue(shelf);
  holds_.opened(shelf);
}

void Coalescer::seen(Shelf& shelf, std::string_view name, const shelves::PackedItem& item) {
  holds_.seen(shelf, name, item);
}

void Coalescer::doubted(Shelf& shelf) {
  sold_out_.drop(shelf);
  entries_[shelf.number].foresight.forget();
}

void Coalescer::closed(Shelf& shelf) {
  entries_[shelf.number].trimmed = 0;
  refuse_waiting(shelf, shelf.prefix(), shelf.why());
}

void Coalescer::refuse_waiting(Shelf& shelf, std::string_view prefix, const std::string& why) {
  std::vector<Operation> waiting = shelf.take_all_waiting();
  queued_ -= waiting.size();
  for (Operation& op : waiting) refuse(op, prefix, why + "; nothing happened, retry later");
}

void Coalescer::lost() {
  confirmation_.lost();
  for (Shelf* shelf : to_send_) entries_[shelf->number].queued = false;
  to_send_.clear();
}

// A lane that sells drops its receipts with each call; an idle one must, since other proxies tell
// nobody of an order that is in one.
void Coalescer::trim_receipts() {
  if (shared_.lanes->alone() || !redis_.connected()) return;
  for (const auto& shelf : shelves_) {
    if (shelf->state() != State::kOpen || !shelf->idle()) continue;
    shelf->synced.arrived(shared_.journal->synced_sequence());
    const uint64_t last = shelf->synced.last_lane_sequence();
    Entry& entry = entries_[shelf->number];
    if (entry.trimmed >= last) continue;
    entry.trimmed = last;
    eval_script(redis_, shared_.scripts.receipts,
                {"1", shelf->receipts_key, "trim", std::to_string(last)},
                [&entry](const Result<upstream::Reply>& reply) {
                  if (reply && reply->is_error()) entry.trimmed = 0;
                });
  }
}

// A client is not kept waiting for ever for an outcome that may take long to find out.
void Coalescer::check_unknown() {
  const int64_t deadline_us = base::monotonic_us() - shared_.limits.unknown_after_us;
  for (const auto& shelf : shelves_) {
    for (ShelfBatch& batch : shelf->in_flight()) {
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
    if (failure || stopped_) return;
    check_unknown();
    trim_receipts();
    deletions_.forget_idle(shelves_);
    sold_out_.forget_idle(base::monotonic_us());
    schedule_check();
  });
}

}  // namespace sluice::proxy::sale
