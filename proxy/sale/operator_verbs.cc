#include "proxy/sale/operator_verbs.h"

#include <cmath>

#include "base/clock.h"
#include "base/decimal.h"
#include "base/units.h"
#include "proxy/sale/replies.h"
#include "resp/names.h"
#include "resp/writer.h"
#include "shelves/packed_item.h"
#include "shelves/shelf_of.h"

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

}  // namespace

// A SECKILL.LIST under way. Its cursor is that of HSCAN in a shelf, times the shelves, and the
// shelf's number.
struct OperatorVerbs::Listing {
  std::shared_ptr<ReplySink> sink;
  uint64_t token = 0;
  uint32_t shelf = 0;
  std::string cursor;
  size_t wanted = 0;
  std::vector<std::string> names;
  std::string next;  // the cursor to go on with; "0": that was all

  // Takes in a reply of HSCAN; true if there are enough, or no more.
  bool take(const upstream::Reply& reply, uint32_t shelves) {
    const upstream::Reply pairs = reply.at(1);
    for (size_t i = 0; i + 1 < pairs.size(); i += 2) {
      const std::string_view field = pairs.at(i).text();
      const auto item = shelves::unpack(pairs.at(i + 1).text());
      const bool is_deleted = item && item->state == shelves::PackedItem::State::kDeleting;
      if (!field.starts_with(shelves::kOwnField) && !is_deleted) names.emplace_back(field);
    }
    cursor = reply.at(0).text();
    if (cursor == "0") ++shelf;
    int64_t place = 0;
    base::parse_decimal(cursor, place);
    next = shelf == shelves ? "0" : std::to_string(place * shelves + shelf);
    return shelf == shelves || names.size() >= wanted;
  }

  std::string reply() const {
    std::string out;
    resp::append_array_header(out, 2);
    resp::append_bulk(out, next);
    resp::append_array_header(out, names.size());
    for (const std::string& name : names) resp::append_bulk(out, name);
    return out;
  }
};

OperatorVerbs::OperatorVerbs(std::vector<std::unique_ptr<upstream::Inbox>>& inboxes, Shared& shared,
                             FlusherPort& flusher, RedisOf redis, std::function<bool()> ready)
    : inboxes_(inboxes),
      shared_(shared),
      flusher_(flusher),
      redis_(std::move(redis)),
      ready_(std::move(ready)),
      started_us_(base::monotonic_us()) {}

void OperatorVerbs::operate(const CommandSpec& spec, std::span<const std::string_view> args,
                            size_t thread, std::shared_ptr<ReplySink> sink, uint64_t token) {
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

void OperatorVerbs::list(std::span<const std::string_view> args, size_t thread,
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
  const auto position = base::parse_integer(cursor), wanted = base::parse_integer(count);
  if (!position || !wanted || *position < 0 || *wanted < 1)
    return sink->deliver(token, error_reply("ERR", "CURSOR and COUNT must be whole numbers"));
  const auto listing = std::make_shared<Listing>();
  listing->sink = std::move(sink);
  listing->token = token;
  listing->shelf = static_cast<uint32_t>(*position % shared_.shelves);
  listing->cursor = std::to_string(*position / shared_.shelves);
  listing->wanted = static_cast<size_t>(*wanted);
  list_on(listing, thread);
}

// Shelf after shelf, until there are enough.
void OperatorVerbs::list_on(const std::shared_ptr<Listing>& listing, size_t thread) {
  upstream::RedisClient& redis = redis_(thread);
  if (!redis.connected()) {
    return listing->sink->deliver(
        listing->token, error_reply("LOADING", "Redis at " + redis.endpoint().text() +
                                                   " is not reachable: " + redis.last_error()));
  }
  const std::string count = std::to_string(listing->wanted);
  redis.call({"HSCAN", shelves::shelf_key(listing->shelf), listing->cursor, "COUNT", count},
             [this, listing, thread](const Result<upstream::Reply>& reply) {
               ReplySink& client = *listing->sink;
               if (!reply)
                 return client.deliver(listing->token,
                                       error_reply("LOADING", reply.error().message()));
               if (reply->is_error() || reply->size() != 2)
                 return client.deliver(listing->token, "-" + std::string(reply->text()) + "\r\n");
               if (listing->take(*reply, shared_.shelves)) {
                 client.deliver(listing->token, listing->reply());
               } else {
                 list_on(listing, thread);
               }
             });
}

void OperatorVerbs::flush(std::span<const std::string_view> args, size_t thread,
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
    const std::string reply = !left   ? error_reply("ERR", left.error().message())
                              : waits ? waited_reply(*left)
                                      : ok_reply();
    inboxes_[thread]->push([sink, token, reply] { sink->deliver(token, reply); });
  });
}

// OK only if all of it are rows.
std::string OperatorVerbs::waited_reply(int64_t left) const {
  const auto dead = static_cast<int64_t>(shared_.dead_letters.count());
  const std::string trouble = left > 0 ? flusher_.report().in_the_way() : "";
  if (left == 0 && dead == 0) return ok_reply();
  std::string reply;
  resp::append_array_header(reply, 2);
  if (!trouble.empty()) {
    resp::append_bulk(reply, "BLOCKED");
    resp::append_bulk(reply, trouble);
  } else {
    resp::append_bulk(reply, left > 0 ? "TIMEOUT" : "DEADLETTERS");
    resp::append_integer(reply, left > 0 ? left : dead);
  }
  return reply;
}

std::string OperatorVerbs::slow_log(std::span<const std::string_view> args) {
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

void OperatorVerbs::pause_or_resume(bool pause, std::string_view what, size_t thread,
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

std::vector<std::pair<std::string, std::string>> OperatorVerbs::status() const {
  const journal::GroupCommit& journal = *shared_.journal;
  const SaleMetrics& metrics = *shared_.metrics;
  const DrainReport drain = flusher_.report();
  const auto text = [](auto number) { return std::to_string(number); };
  const auto seconds = [](double number) { return std::to_string(std::llround(number)); };
  return {
      {"version", SLUICE_VERSION},
      {"proxy_id", shared_.lane},
      {"uptime_seconds", text((base::monotonic_us() - started_us_) / 1'000'000)},
      {"intake", shared_.intake_paused.load() ? "paused"
                 : ready_()                   ? "open"
                                              : "loading"},
      {"items", text(shared_.items.load())},
      {"orders_unpaid", text(shared_.unpaid_orders.load())},
      {"orders_expired", text(metrics.expired.value())},
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
      {"flusher", drain.state},
      {"flusher_reason", drain.reason},
      {"flusher_error", drain.trouble},
      {"drained_records", text(shared_.drained_sequence.load())},
      {"backlog_records", text(drain.backlog_records)},
      {"backlog_bytes", text(drain.backlog_bytes)},
      {"backlog_oldest_age_seconds", seconds(drain.oldest_age_s)},
      {"drain_rows_per_second", text(drain.rows_per_s)},
      {"drain_eta_seconds", seconds(drain.eta_s)},
      {"dead_letters", text(shared_.dead_letters.count())},
  };
}

std::string OperatorVerbs::info_section() const {
  std::string out = "# Sluice\r\n";
  for (const auto& [name, value] : status()) out += "sluice_" + name + ":" + value + "\r\n";
  return out;
}

}  // namespace sluice::proxy::sale
