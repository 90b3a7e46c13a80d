#include "proxy/sale/gate.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <chrono>
#include <utility>

#include "base/clock.h"
#include "base/decimal.h"
#include "base/failpoint.h"
#include "proxy/sale/lanes.h"
#include "proxy/sale/operation_text.h"
#include "proxy/sale/script_call.h"
#include "proxy/sale/server_check.h"
#include "shelves/shelf_of.h"

namespace sluice::proxy::sale {
namespace {

using upstream::Reply;
using State = Shelf::State;

// The places of gate.lua's reply.
constexpr size_t kVerdict = 0, kEpoch = 1, kApplied = 2, kAbout = 3, kWait = 4;

constexpr int64_t kRetryFirstUs = 250'000, kRetryLastUs = 5'000'000;
constexpr int64_t kLookEveryUs = 1'000'000;
constexpr int64_t kQuietUs = 1'000'000;  // between two bursts of log lines
constexpr auto kRetryTick = std::chrono::milliseconds(50);

// "1,2,3" without one of them.
std::string without(std::string_view lanes, std::string_view lane) {
  std::string left;
  while (!lanes.empty()) {
    const std::string_view each = take_until(lanes, ',');
    if (each != lane) left += (left.empty() ? "" : ",") + std::string(each);
  }
  return left;
}

}  // namespace

Gate::Gate(upstream::IoThread& thread, upstream::Inbox& inbox, upstream::RedisClient& redis,
           Shared& shared, ShelfMap& shelves, RefusalLog& refusals, ShelfEvents& events,
           Hooks hooks)
    : thread_(thread),
      inbox_(inbox),
      redis_(redis),
      shared_(shared),
      shelves_(shelves),
      refusals_(refusals),
      events_(events),
      hooks_(std::move(hooks)),
      roster_(redis, shared, [this] { ask_all(); }),
      timer_(thread.context()),
      entries_(shared.shelves) {
  for (const auto& shelf : shelves_)
    entry_of(*shelf).complete_from = shared.condensed[shelf->number];
  why_ = "the connection to Redis is being established";
}

void Gate::stop() {
  process_.clear();
  ++connects_;
  dormant_ = opening_ = false;
  asked_ = 0;
  roster_.lost();
  replay_.reset();
  timer_.cancel();
}

void Gate::lost(const std::string& why) {
  stop();
  refusals_.clear();
  for (const auto& shelf : shelves_) {
    Entry& entry = entry_of(*shelf);
    entry = Entry{.ever_opened = entry.ever_opened,
                  .is_met = entry.is_met,
                  .complete_from = entry.complete_from};
    shelf->move(State::kShut, why);
    events_.doubted(*shelf);
    events_.closed(*shelf);
  }
  judge();
}

void Gate::connected() {
  schedule_retries();
  redis_.call({"INFO"}, [this](const Result<Reply>& reply) {
    if (!reply) return;
    if (!reply->is_error()) return check(reply->text());
    // Without it every Redis looks like the one before, and like one that evicts nothing.
    redis_.reconnect(
        Error(ErrorClass::kUnavailable, "Redis refused INFO: " + std::string(reply->text())));
  });
  const Scripts& scripts = shared_.scripts;
  for (const Script* script : {&scripts.purchase, &scripts.gate, &scripts.replay,
                               &scripts.receipts, &scripts.beat}) {
    // One that is refused here is refused where it is needed, with the same words.
    redis_.call({"SCRIPT", "LOAD", script->text}, [](const auto&) {});
  }
}

void Gate::check(std::string_view info) {
  const auto server = check_server(info, redis_.endpoint().text());
  if (!server && server.error().cls() == ErrorClass::kRefused) return shared_.fatal(server.error());
  if (!server) return redis_.reconnect(server.error());
  if (server->time_ms != 0) {
    const std::string fault = shared_.clock.compare(base::wall_ms(), server->time_ms);
    if (!fault.empty()) return redis_.reconnect(Error(ErrorClass::kUnavailable, fault));
  }
  process_ = server->process();
  if (thread_.index() == 0) {
    spdlog::info("Redis at {}: version {}, run_id:replication id {} ({}), role {}",
                 redis_.endpoint().text(), server->version, process_,
                 last_process_.empty()       ? "first seen"
                 : last_process_ == process_ ? "the same as before"
                                             : "was " + last_process_,
                 server->role);
  }
  last_process_ = process_;
  hooks_.connected(server->replication_id);
  identify();
}

// An application that only passes through must find no key that it did not write.
void Gate::identify() {
  if (shared_.selling.load(std::memory_order_relaxed)) return roster_.look();
  const auto left = std::make_shared<size_t>(shelves_.size());
  if (*left == 0) return roster_.look();
  for (const auto& shelf : shelves_) {
    redis_.call({"EXISTS", shelf->key}, [this, left](const Result<Reply>& reply) {
      if (!reply) return;
      if (reply->is_error() || reply->integer() != 0) shared_.selling.store(true);
      if (--*left > 0) return;
      // There is a sale: other threads may not have seen it on their shelves.
      if (shared_.selling.load()) return wake_all();
      dormant_ = true;
      judge();
    });
  }
  dormant_ = false;
}

// Another proxy may begin one at any time, and then wait for all that it knows.
void Gate::look_for_a_sale(int64_t now_us) {
  if (!dormant_ || !redis_.connected() || shelves_.size() == 0) return;
  if (now_us - looked_us_ < kLookEveryUs) return;
  looked_us_ = now_us;
  redis_.call({"EXISTS", (*shelves_.begin())->key}, [this](const Result<Reply>& reply) {
    if (reply && !reply->is_error() && reply->integer() != 0 && dormant_) wake_all();
  });
}

void Gate::wake() {
  shared_.selling.store(true, std::memory_order_relaxed);
  open_due();
  if (process_.empty() || opening_ || roster_.is_looking()) return;
  const bool asleep = std::all_of(shelves_.begin(), shelves_.end(), [](const auto& shelf) {
    return shelf->state() == State::kShut;
  });
  if (asleep) roster_.look();
}

// Once the others are known.
void Gate::ask_all() {
  dormant_ = false;
  opening_ = true;
  began_us_ = base::monotonic_us();
  count_ = {};
  for (const auto& shelf : shelves_) ask(*shelf, "");
  progress();
}

void Gate::ask(Shelf& shelf, std::string flags, std::string_view edited_item) {
  const State state = shelf.state();
  const bool is_replayed = state == State::kReplaying && replay_;
  if (process_.empty() || state == State::kAsking || is_replayed) return;
  // A batch whose answer never came may still arrive; with the epoch that it carries it must not be
  // applied once it is settled here.
  if (!shelf.in_flight().empty()) flags += 'r';
  if (!entry_of(shelf).ever_opened && (shared_.unproven || shared_.veto.stands())) flags += 'u';
  events_.doubted(shelf);
  shelf.move(State::kAsking, "Redis and the journal are being compared");
  call(shelf, std::move(flags), edited_item);
}

void Gate::call(Shelf& shelf, std::string flags, std::string_view edited_item) {
  ++asked_;
  std::vector<std::string> words{"2", shelf.key, shelf.receipts_key};
  if (!edited_item.empty()) {
    words[0] = "3";
    words.push_back(shelves::buyers_key(shelf.number, edited_item));
  }
  words.insert(
      words.end(),
      {shared_.lane, std::to_string(shelf.lane_sequence()),
       std::to_string(entry_of(shelf).complete_from), process_, random_number(), shared_.journal_id,
       shared_.incarnation, shared_.host, std::to_string(shared_.shelves), shared_.lanes->known(),
       flags, std::to_string(base::monotonic_us()), entry_of(shelf).waits_for,
       entry_of(shelf).to_bring, shared_.standings->of(shelf.number),
       std::to_string(shared_.standings->forgotten(shelf.number)), shared_.predecessors});
  eval_script(redis_, shared_.scripts.gate, std::move(words),
              [this, &shelf](const Result<Reply>& reply) {
                if (!reply) return;
                --asked_;
                answered(shelf, *reply);
                progress();
                judge();
              });
}

void Gate::answered(Shelf& shelf, const Reply& reply) {
  if (shelf.state() != State::kAsking) return;  // it was refused otherwise meanwhile
  if (reply.is_error()) return refused(shelf, reply.text());
  uint64_t epoch = 0, applied = 0;
  if (reply.size() < kAnswerReceipts || !base::parse_decimal(reply.at(kEpoch).text(), epoch) ||
      !base::parse_decimal(reply.at(kApplied).text(), applied)) {
    return contradicts(shelf, "Redis answers the gate's script with what is no answer");
  }
  base::failpoint(base::Failpoint::kGateAfterEpoch);
  refusals_.over(shelf.place(), base::monotonic_us());
  const std::string_view verdict = reply.at(kVerdict).text(), about = reply.at(kAbout).text();
  if (refuses(shelf, verdict, about)) {
    if (verdict == "EDITED") meet(shelf, reply);
    return;
  }
  shelf.set_epoch(epoch);
  meet(shelf, reply);
  if (applied > shelf.lane_sequence() && !import_receipts(shelf, reply, applied)) return;
  // What is still in flight was not applied, and with the epoch raised it cannot be any more.
  events_.put_back(shelf);
  const std::string lanes = without(reply.at(kWait).text(), shared_.lane);
  if (verdict == "WAIT") return wait(shelf, lanes);
  if (verdict == "NOTE") return note(shelf);
  if (verdict == "BEHIND") {
    ++count_.behind;
    return hold(shelf, State::kReplaying,
                "Redis lost data, which is being brought back from the journal");
  }
  open(shelf);
}

// Where the lane stands is to be durable before anybody sells on from there. What waits goes on
// waiting.
void Gate::note(Shelf& shelf) {
  ++asked_;
  shared_.standings->note(shelf.number, shelf.epoch(), shelf.lane_sequence(),
                          [this, &shelf, connects = connects_] {
                            inbox_.push([this, &shelf, connects] {
                              if (connects != connects_ || !redis_.connected()) return;
                              --asked_;
                              if (shelf.state() == State::kAsking) call(shelf, "", "");
                              progress();
                            });
                          });
}

void Gate::open(Shelf& shelf) {
  Entry& entry = entry_of(shelf);
  entry.is_due = shared_.unmet > 0;
  if (entry.is_due) return;
  entry = Entry{
      .opened = true, .ever_opened = true, .is_met = true, .complete_from = entry.complete_from};
  shelf.move(State::kOpen);
  events_.opened(shelf);
}

void Gate::open_due() {
  if (!any_due() || shared_.unmet > 0) return;
  for (const auto& shelf : shelves_) {
    if (entry_of(*shelf).is_due) open(*shelf);
  }
  progress();
  judge();
}

bool Gate::any_due() const {
  return std::any_of(entries_.begin(), entries_.end(),
                     [](const Entry& entry) { return entry.is_due; });
}

void Gate::wait(Shelf& shelf, std::string_view lanes) {
  hold(shelf, State::kWaiting,
       "waiting for " + proxies_text(lanes) + " to bring back what Redis may have lost (" +
           forget_hint(lanes) + ")");
}

void Gate::refused(Shelf& shelf, std::string_view error) {
  refusals_.met(shelf.place(), error, base::monotonic_us());
  if (kind_of_refusal(error) == RefusalKind::kElsewhere) {
    return redis_.reconnect(Error(ErrorClass::kUnavailable, std::string(error)));
  }
  const RefusalReply reply = refusal_reply(error);
  unable(shelf, reply.message, reply.prefix);
  judge();
}

void Gate::contradicts(Shelf& shelf, const std::string& why) {
  if (shelf.why() != why) spdlog::error("not sold: {}", why);
  unable(shelf, why, "LOADING");
  judge();
}

// It does not sell for a while.
void Gate::hold(Shelf& shelf, State state, std::string why, std::string_view prefix) {
  entry_of(shelf).opened = entry_of(shelf).is_due = false;
  shelf.move(state, std::move(why), prefix);
  events_.doubted(shelf);
  events_.closed(shelf);
}

void Gate::unable(Shelf& shelf, std::string why, std::string_view prefix) {
  if (!Shelf::may_move(shelf.state(), State::kUnable)) return;  // it does not sell as it is
  Entry& entry = entry_of(shelf);
  entry.delay_us =
      entry.delay_us == 0 ? kRetryFirstUs : std::min(2 * entry.delay_us, kRetryLastUs);
  entry.retry_us = base::monotonic_us() + entry.delay_us;
  hold(shelf, State::kUnable, std::move(why), prefix);
}

void Gate::edited(Shelf& shelf, std::string_view item) {
  spdlog::warn("item {}: not as Sluice left it in Redis; shelf {} is brought back from the journal",
               item, shelf.number);
  ask(shelf, "e", item);
}

void Gate::beaten(Shelf& shelf, uint64_t epoch) {
  if (shelf.state() == State::kWaiting) return ask(shelf, "");
  // Somebody has closed it, and waits for this lane too.
  if (shelf.state() == State::kOpen && epoch != shelf.epoch()) ask(shelf, "");
}

void Gate::rewound(Shelf& shelf, const std::string& why, bool went_back) {
  if (shelf.state() != State::kOpen && shelf.state() != State::kWaiting) return;
  // Most often many at once: one line for all of them.
  const int64_t now_us = base::monotonic_us();
  if (now_us - std::exchange(rewound_us_, now_us) > kQuietUs) {
    spdlog::warn("Redis at {} {}: {} and perhaps others pass the gate again",
                 redis_.endpoint().text(), why, shelf.place());
  }
  ask(shelf, went_back ? "w" : "");
}

void Gate::changed(const std::string& why) {
  redis_.reconnect(Error(ErrorClass::kUnavailable, why));
}

// While all shelves are asked their replays gather, to read the journal once for all of them.
void Gate::progress() {
  if (replay_ || (opening_ && asked_ > 0)) return;
  const bool any = std::any_of(shelves_.begin(), shelves_.end(), [](const auto& shelf) {
    return shelf->state() == State::kReplaying;
  });
  if (any) return start_replay();
  if (any_due()) return;
  if (!std::exchange(opening_, false)) return;
  report();
}

void Gate::report() {
  shared_.metrics->gate_passes.add();
  const auto open = std::count_if(shelves_.begin(), shelves_.end(), [](const auto& shelf) {
    return shelf->state() == State::kOpen;
  });
  spdlog::info(
      "Redis at {}: gate passed in {:.3f} s: {} of {} shelves are open, {} batches completed from "
      "receipts, {} shelves rebuilt with {} records",
      redis_.endpoint().text(), static_cast<double>(base::monotonic_us() - began_us_) / 1e6, open,
      shelves_.size(), count_.receipts, count_.behind, count_.records);
}

void Gate::start_replay() {
  std::vector<Replay::Target> targets;
  for (const auto& shelf : shelves_) {
    if (shelf->state() != State::kReplaying) continue;
    targets.push_back({shelf->number, shelf->epoch(), shelf->lane_sequence(),
                       entry_of(*shelf).complete_from, !entry_of(*shelf).waits_for.empty()});
  }
  replay_ = std::make_unique<Replay>(shared_, inbox_, redis_, std::move(targets),
                                     [this](const Replay::Result& result) { replayed(result); });
}

void Gate::replayed(const Replay::Result& result) {
  replay_.reset();
  if (!result.status) return shared_.fatal(result.status.error().at("replaying the journal"));
  count_.records += result.records;
  shared_.metrics->gate_records.add(result.records);
  spdlog::info("replayed {} records into Redis, of {} shelves", result.records,
               result.outcomes.size());
  for (const auto& [number, outcome] : result.outcomes) replayed(shelves_.at(number), outcome);
  progress();
  judge();
}

void Gate::replayed(Shelf& shelf, const Replay::Outcome& outcome) {
  Entry& entry = entry_of(shelf);
  entry.complete_from = std::max(entry.complete_from, outcome.condensed);
  entry.waits_for = outcome.waits_for;
  entry.to_bring = outcome.to_bring;
  if (!outcome.error.empty()) return refused(shelf, outcome.error);
  if (!outcome.edited.empty()) return edited(shelf, outcome.edited);
  ask(shelf, "");
}

void Gate::judge() {
  std::string why;
  bool passes = true;  // by itself, in a moment
  if (!dormant_) {
    for (const auto& shelf : shelves_) {
      if (sells(*shelf)) continue;
      if (passes) why = shelf->why();
      passes &= shelf->state() == State::kAsking;
      if (!passes) break;
    }
  }
  const bool is_ready = why.empty();
  ShelfReport shelves = survey();
  const std::lock_guard lock(mutex_);
  shelves_report_ = std::move(shelves);
  if (!passes && why != told_) spdlog::info("purchases are refused: {}", why);
  if (is_ready || !passes) told_ = why;
  why_ = std::move(why);
  ready_.store(is_ready, std::memory_order_relaxed);
}

ShelfReport Gate::survey() {
  ShelfReport report;
  for (const auto& shelf : shelves_) {
    if (dormant_) {
      ++report.asleep;
      continue;
    }
    if (sells(*shelf)) {
      ++report.open;
      continue;
    }
    const State state = shelf->state();
    ++(state == State::kWaiting     ? report.waiting
       : state == State::kReplaying ? report.replaying
       : state == State::kUnable    ? report.unable
                                    : report.shut);
    report.note_reason(shelf->why());
  }
  return report;
}

ShelfReport Gate::report_of_shelves() const {
  const std::lock_guard lock(mutex_);
  return shelves_report_;
}

std::string Gate::why_not_ready() const {
  const std::lock_guard lock(mutex_);
  return why_;
}

void Gate::schedule_retries() {
  timer_.expires_after(kRetryTick);
  timer_.async_wait([this](boost::system::error_code failure) {
    if (failure) return;
    retry();
    schedule_retries();
  });
}

void Gate::retry() {
  roster_.poll();
  const int64_t now_us = base::monotonic_us();
  look_for_a_sale(now_us);
  for (const auto& shelf : shelves_) {
    if (shelf->state() == State::kUnable && entry_of(*shelf).retry_us <= now_us) ask(*shelf, "");
  }
}

}  // namespace sluice::proxy::sale
