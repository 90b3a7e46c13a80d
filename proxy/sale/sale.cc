#include "proxy/sale/sale.h"

#include <future>

#include "base/clock.h"
#include "base/units.h"
#include "proxy/sale/heartbeat.h"
#include "proxy/sale/replies.h"
#include "resp/names.h"
#include "resp/writer.h"

namespace sluice::proxy::sale {
namespace {

constexpr int64_t kFlushWaitMaxMs = 3'600'000;
constexpr size_t kSlowLogShown = 10;  // without a count
constexpr size_t kNumberBytesMax = 20;  // of any number of 64 bits

std::string ok_reply() {
  std::string out;
  resp::append_simple(out, "OK");
  return out;
}

std::string help_reply() {
  std::string out;
  const auto specs = command_specs();
  resp::append_array_header(out, specs.size() * 2);
  for (const CommandSpec& spec : specs) {
    std::string name(spec.name);
    for (char& c : name) c = c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c;
    resp::append_simple(out, name + (spec.syntax.empty() ? "" : " " + std::string(spec.syntax)));
    resp::append_simple(out, "    " + std::string(spec.summary));
  }
  return out;
}

// SSCAN's reply in RESP again.
std::string scan_reply(const upstream::Reply& reply) {
  std::string out;
  resp::append_array_header(out, 2);
  resp::append_bulk(out, reply.at(0).text());
  resp::append_array_header(out, reply.at(1).size());
  for (size_t i = 0; i < reply.at(1).size(); ++i) resp::append_bulk(out, reply.at(1).at(i).text());
  return out;
}

}  // namespace

SaleMetrics::SaleMetrics(base::Registry& registry)
    : accepted(registry.counter("sluice_purchases_total", "Purchases by outcome.",
                                "result=\"accepted\"")),
      repeated(registry.counter("sluice_purchases_total", "", "result=\"repeated\"")),
      soldout(registry.counter("sluice_purchases_total", "", "result=\"soldout\"")),
      limit(registry.counter("sluice_purchases_total", "", "result=\"limit\"")),
      notstarted(registry.counter("sluice_purchases_total", "", "result=\"notstarted\"")),
      ended(registry.counter("sluice_purchases_total", "", "result=\"ended\"")),
      closed(registry.counter("sluice_purchases_total", "", "result=\"closed\"")),
      noitem(registry.counter("sluice_purchases_total", "", "result=\"noitem\"")),
      error(registry.counter("sluice_purchases_total", "", "result=\"error\"")),
      busy(registry.counter("sluice_purchases_total", "", "result=\"busy\"")),
      unknown(registry.counter("sluice_purchases_total", "", "result=\"unknown\"")),
      soldout_at_once(registry.counter("sluice_soldout_at_once_total",
                                       "Of the purchases refused as sold out, those that were "
                                       "answered without Redis.")),
      oversell(registry.counter("sluice_oversell_total",
                                "Purchases accepted beyond the stock; must stay 0.")),
      purchase_seconds(registry.histogram("sluice_purchase_seconds",
                                          "From a SECKILL command's arrival to its reply.", 1e-6)),
      batch_purchases(
          registry.histogram("sluice_redis_batch_purchases", "Operations in one script call.", 1)),
      gate_passes(registry.counter("sluice_gate_passes_total",
                                   "Times that Redis and the journal were compared as a whole.")),
      gate_records(registry.counter("sluice_gate_replayed_records_total",
                                    "Journal records brought back into Redis.")),
      gate_receipts(registry.counter("sluice_gate_imported_receipts_total",
                                     "Batches completed in the journal from Redis's receipts.")) {}

base::Counter& SaleMetrics::result(Verdict::Kind verdict) {
  using Kind = Verdict::Kind;
  switch (verdict) {
    case Kind::kAccepted:
      return accepted;
    case Kind::kRepeated:
      return repeated;
    case Kind::kSoldOut:
      return soldout;
    case Kind::kLimit:
      return limit;
    case Kind::kNotStarted:
      return notstarted;
    case Kind::kEnded:
      return ended;
    case Kind::kClosed:
      return closed;
    case Kind::kNotFound:
      return noitem;
    default:
      return error;
  }
}

Sale::Sale(std::vector<std::unique_ptr<upstream::IoThread>>& threads,
           std::vector<std::unique_ptr<upstream::Inbox>>& inboxes, const upstream::Endpoint& redis,
           Shared& shared, FlusherPort& flusher)
    : threads_(threads),
      inboxes_(inboxes),
      shared_(shared),
      flusher_(flusher),
      started_us_(base::monotonic_us()),
      sold_out_(threads, inboxes, shared) {
  for (size_t i = 0; i < threads.size(); ++i) {
    const auto deliver = [this, i](const Operation& op, std::string_view reply) {
      if (op.thread == i) return op.sink->deliver(op.token, reply);
      inboxes_[op.thread]->push([sink = op.sink, token = op.token, reply = std::string(reply)] {
        sink->deliver(token, reply);
      });
    };
    coalescers_.push_back(
        std::make_unique<Coalescer>(*threads[i], *inboxes[i], redis, shared, sold_out_, deliver));
    coalescers_.back()->set_owner_test(
        [this, i](std::string_view item) { return owner_of(item) == i; });
  }
  heartbeat_ = std::make_unique<Heartbeat>(
      *threads[0], *inboxes[0], coalescers_[0]->redis(), shared, coalescers_.size(),
      [this](const std::function<void(Coalescer&)>& work) {
        for (size_t i = 0; i < coalescers_.size(); ++i) {
          inboxes_[i]->push([this, i, work] { work(*coalescers_[i]); });
        }
      });
  for (auto& coalescer : coalescers_) coalescer->set_heartbeat(*heartbeat_);
}

Sale::~Sale() = default;

size_t Sale::owner_of(std::string_view item) const { return name_hash(item) % coalescers_.size(); }

void Sale::know_item(const std::string& name, uint64_t journaled_batch, uint64_t journal_sequence) {
  coalescers_[owner_of(name)]->know_item(name, journaled_batch, journal_sequence);
}

void Sale::start() {
  for (size_t i = 0; i < coalescers_.size(); ++i) {
    inboxes_[i]->push([this, i] { coalescers_[i]->start(); });
  }
}

void Sale::stop() {
  std::vector<std::promise<void>> stopped(coalescers_.size());
  for (size_t i = 0; i < coalescers_.size(); ++i) {
    inboxes_[i]->push(
        [this, i, &stopped] { coalescers_[i]->stop([&stopped, i] { stopped[i].set_value(); }); });
  }
  for (std::promise<void>& each : stopped) each.get_future().wait();
}

bool Sale::ready() const {
  for (const auto& coalescer : coalescers_) {
    if (!coalescer->ready()) return false;
  }
  return true;
}

void Sale::execute(std::span<const std::string_view> args, size_t thread,
                   std::shared_ptr<ReplySink> sink, uint64_t token) {
  if (is_purchase(args[0])) {
    if (const auto purchase = parse_purchase(args))
      return route(to_operation(*purchase), thread, std::move(sink), token);
  }
  const CommandSpec* spec = find_command(args[0]);
  SLUICE_ASSERT(spec != nullptr, "execute() takes commands of the SECKILL family only");
  if (const Status arity = check_arity(*spec, args.size()); !arity) {
    return sink->deliver(token, error_reply("ERR", arity.error().message()));
  }
  if (spec->kind >= CommandKind::kList) return operate(*spec, args, thread, std::move(sink), token);
  auto op = parse_operation(*spec, args);
  if (!op) return sink->deliver(token, error_reply("ERR", op.error().message()));
  route(std::move(*op), thread, std::move(sink), token);
}

void Sale::route(Operation&& op, size_t thread, std::shared_ptr<ReplySink> sink, uint64_t token) {
  op.sink = std::move(sink);
  op.token = token;
  op.thread = thread;
  op.received_us = threads_[thread]->now_us();
  const uint64_t item_hash = name_hash(op.item);
  if (op.verb == Verb::kBuy) {
    op.under_way = shared_.under_way.purchase(item_hash, name_hash(op.user));
  } else if (writes(op.verb)) {
    op.under_way = shared_.under_way.change(item_hash);
  }
  const size_t owner = item_hash % coalescers_.size();
  if (owner == thread) return coalescers_[owner]->submit(std::move(op));
  auto moved = std::make_shared<Operation>(std::move(op));  // std::function wants copyable work
  inboxes_[owner]->push([this, owner, moved] { coalescers_[owner]->submit(std::move(*moved)); });
}

void Sale::operate(const CommandSpec& spec, std::span<const std::string_view> args, size_t thread,
                   std::shared_ptr<ReplySink> sink, uint64_t token) {
  switch (spec.kind) {
    case CommandKind::kList:
      return list(args, thread, std::move(sink), token);
    case CommandKind::kFlush:
      return flush(args, thread, std::move(sink), token);
    case CommandKind::kPause:
      return pause_or_resume(true, args[1], thread, std::move(sink), token);
    case CommandKind::kResume:
      return pause_or_resume(false, args[1], thread, std::move(sink), token);
    case CommandKind::kSlowLog:
      return sink->deliver(token, slow_log(args));
    case CommandKind::kHelp:
      return sink->deliver(token, help_reply());
    default:
      break;
  }
  std::string out;
  const auto pairs = status();
  resp::append_array_header(out, pairs.size() * 2);
  for (const auto& [name, value] : pairs) {
    resp::append_bulk(out, name);
    resp::append_bulk(out, value);
  }
  sink->deliver(token, out);
}

void Sale::list(std::span<const std::string_view> args, size_t thread,
                std::shared_ptr<ReplySink> sink, uint64_t token) {
  std::string_view cursor = "0", count = "10";
  for (size_t i = 1; i < args.size(); i += 2) {
    const bool is_cursor = resp::equals_ignoring_case(args[i], "CURSOR");
    const bool is_count = resp::equals_ignoring_case(args[i], "COUNT");
    if ((!is_cursor && !is_count) || i + 1 == args.size()) {
      return sink->deliver(token, error_reply("ERR", "syntax error, see SECKILL.HELP"));
    }
    (is_cursor ? cursor : count) = args[i + 1];
  }
  // Redis refuses what is no number, but all purchases would wait until it has read it.
  if (cursor.size() > kNumberBytesMax || count.size() > kNumberBytesMax)
    return sink->deliver(token, error_reply("ERR", "CURSOR and COUNT must be whole numbers"));
  upstream::RedisClient& redis = coalescers_[thread]->redis();
  if (!redis.connected()) {
    return sink->deliver(token,
                         error_reply("LOADING", "Redis at " + redis.endpoint().text() +
                                                    " is not reachable: " + redis.last_error()));
  }
  redis.call({"SSCAN", "sluice:items", cursor, "COUNT", count},
             [sink, token](const Result<upstream::Reply>& reply) {
               if (!reply)
                 return sink->deliver(token, error_reply("LOADING", reply.error().message()));
               if (reply->is_error() || reply->size() != 2) {
                 return sink->deliver(token, "-" + std::string(reply->text()) + "\r\n");
               }
               sink->deliver(token, scan_reply(*reply));
             });
}

void Sale::flush(std::span<const std::string_view> args, size_t thread,
                 std::shared_ptr<ReplySink> sink, uint64_t token) {
  int64_t wait_ms = 0;
  if (args.size() > 1) {
    const auto number =
        args.size() == 3 ? base::parse_integer(args[2]) : Result<int64_t>(int64_t{-1});
    if (!resp::equals_ignoring_case(args[1], "WAIT") || !number || *number < 0 ||
        *number > kFlushWaitMaxMs) {
      return sink->deliver(
          token, error_reply("ERR", "FLUSH takes WAIT ms, a whole number from 0 to 3600000"));
    }
    wait_ms = *number;
  }
  const bool waits = args.size() > 1;
  flusher_.flush(wait_ms, [this, thread, sink, token, waits](const Result<int64_t>& left) {
    std::string reply = ok_reply();
    if (!left) {
      reply = error_reply("ERR", left.error().message());
    } else if (waits && *left > 0) {
      reply.clear();
      resp::append_array_header(reply, 2);
      resp::append_bulk(reply, "TIMEOUT");
      resp::append_integer(reply, *left);
    }
    inboxes_[thread]->push([sink, token, reply] { sink->deliver(token, reply); });
  });
}

std::string Sale::slow_log(std::span<const std::string_view> args) {
  SlowLog& log = shared_.slow_log;
  std::string out;
  if (args.size() == 2 && resp::equals_ignoring_case(args[1], "LEN")) {
    resp::append_integer(out, static_cast<int64_t>(log.size()));
    return out;
  }
  if (args.size() == 2 && resp::equals_ignoring_case(args[1], "RESET")) {
    log.reset();
    return ok_reply();
  }
  if (!resp::equals_ignoring_case(args[1], "GET"))
    return error_reply("ERR", "the argument must be GET, LEN or RESET");
  if (args.size() == 2) return log.get(kSlowLogShown);
  const auto count = base::parse_integer(args[2]);
  if (!count || *count < -1)
    return error_reply("ERR", "count should be greater than or equal to -1");
  return log.get(*count < 0 ? SIZE_MAX : static_cast<size_t>(*count));
}

void Sale::pause_or_resume(bool pause, std::string_view what, size_t thread,
                           std::shared_ptr<ReplySink> sink, uint64_t token) {
  if (resp::equals_ignoring_case(what, "INTAKE")) {
    shared_.intake_paused.store(pause, std::memory_order_relaxed);
    return sink->deliver(token, ok_reply());
  }
  if (!resp::equals_ignoring_case(what, "FLUSH")) {
    return sink->deliver(token, error_reply("ERR", "the argument must be INTAKE or FLUSH"));
  }
  const auto done = [this, thread, sink, token](const Status& status) {
    std::string reply = status ? ok_reply() : error_reply("ERR", status.error().message());
    inboxes_[thread]->push(
        [sink, token, reply = std::move(reply)] { sink->deliver(token, reply); });
  };
  pause ? flusher_.pause(done) : flusher_.resume(done);
}

std::vector<std::pair<std::string, std::string>> Sale::status() const {
  const journal::GroupCommit& journal = *shared_.journal;
  const SaleMetrics& metrics = *shared_.metrics;
  const auto text = [](auto number) { return std::to_string(number); };
  return {
      {"version", SLUICE_VERSION},
      {"proxy_id", shared_.lane},
      {"uptime_seconds", text((base::monotonic_us() - started_us_) / 1'000'000)},
      {"intake", shared_.intake_paused.load() ? "paused"
                 : ready()                    ? "open"
                                              : "loading"},
      {"items", text(shared_.items.load())},
      {"purchases_accepted", text(metrics.accepted.value())},
      {"purchases_repeated", text(metrics.repeated.value())},
      {"purchases_soldout", text(metrics.soldout.value())},
      {"purchases_soldout_at_once", text(metrics.soldout_at_once.value())},
      {"purchases_limit", text(metrics.limit.value())},
      {"purchases_busy", text(metrics.busy.value())},
      {"purchases_unknown", text(metrics.unknown.value())},
      {"journal_id", shared_.journal_id},
      {"journal_records", text(journal.written_sequence())},
      {"journal_synced", text(journal.synced_sequence())},
      {"journal_bytes", text(journal.bytes_used())},
      {"flusher", flusher_.state()},
      {"drained_records", text(shared_.drained_sequence.load())},
      {"backlog_records", text(flusher_.backlog_records())},
  };
}

std::string Sale::info_section() const {
  std::string out = "# Sluice\r\n";
  for (const auto& [name, value] : status()) out += "sluice_" + name + ":" + value + "\r\n";
  return out;
}

}  // namespace sluice::proxy::sale
