#include "flusher/admin.h"

#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

#include "base/clock.h"
#include "base/decimal.h"
#include "base/units.h"
#include "flusher/dead_letter.h"
#include "journal/reader.h"
#include "orders/schema.h"

namespace sluice::flusher {
namespace {

namespace json = boost::json;

constexpr int64_t kWaitMaxMs = 600'000;
constexpr double kUsPerSecond = 1e6;
constexpr size_t kItemsMax = 100;

http::Response reply(int status, const json::value& body) {
  return {status, "application/json", json::serialize(body) + "\n"};
}

http::Response text(int status, std::string body) {
  return {status, "text/plain; charset=utf-8", std::move(body)};
}

http::Response readiness(const StatusSnapshot& status) {
  if (status.state == State::kBlocked || !status.mysql_connected) {
    return text(503, "not ready: " + status.reason + "\n");
  }
  return text(200, "ready\n");
}

// The value of a parameter of a query string; "": it is not given.
std::string_view query_value(std::string_view query, std::string_view name) {
  while (!query.empty()) {
    std::string_view pair = query.substr(0, query.find('&'));
    query.remove_prefix(std::min(pair.size() + 1, query.size()));
    if (!pair.starts_with(name) || pair.substr(name.size()).substr(0, 1) != "=") continue;
    return pair.substr(name.size() + 1);
  }
  return {};
}

// What a POST /flush asks for: wait_ms=N, and of a proxy journal=ID and upto=SEQUENCE besides: the
// journal that it means, and the last record that it has written.
struct FlushRequest {
  int64_t wait_ms = 0;
  std::string journal;
  uint64_t upto = 0;
};

Result<FlushRequest> parse_flush(std::string_view query) {
  FlushRequest request;
  const Error wrong(ErrorClass::kInvalid,
                    "the parameters are wait_ms, 0 to 600000, journal and upto");
  while (!query.empty()) {
    const std::string_view pair = query.substr(0, query.find('&'));
    query.remove_prefix(std::min(pair.size() + 1, query.size()));
    const size_t equals = std::min(pair.find('='), pair.size() - 1);
    const std::string_view name = pair.substr(0, equals), value = pair.substr(equals + 1);
    bool good = true;
    if (name == "wait_ms") {
      good = base::parse_decimal(value, request.wait_ms) && request.wait_ms >= 0 &&
             request.wait_ms <= kWaitMaxMs;
    } else if (name == "upto") {
      good = base::parse_decimal(value, request.upto);
    } else if (name == "journal") {
      request.journal = value;
    } else {
      good = false;
    }
    if (!good) return wrong;
  }
  return request;
}

http::Response flush(const AdminContext& context, const http::Request& http_request) {
  const auto request = parse_flush(http_request.query);
  if (!request) return reply(400, {{"error", request.error().message()}});
  if (context.loop.paused()) return reply(409, {{"error", "the flusher is paused; POST /resume"}});
  const auto extent = journal::extent(context.options.journal_dir, context.fs);
  if (!extent) return reply(503, {{"error", extent.error().message()}});
  const std::string id = std::to_string(extent->journal_id);
  if (!request->journal.empty() && request->journal != id) {
    return reply(409,
                 {{"error", "this flusher drains journal " + id + ", not " + request->journal}});
  }
  if (request->upto > extent->last_sequence) {
    return reply(409, {{"error", "the journal in " + context.options.journal_dir +
                                     " ends with record " + std::to_string(extent->last_sequence) +
                                     ", the proxy's with " + std::to_string(request->upto) +
                                     ": this flusher follows another copy"}});
  }
  context.loop.request_flush();
  const uint64_t target = extent->last_sequence + 1;
  const bool drained = context.status.wait_position(target, request->wait_ms);
  const uint64_t position = context.status.read().position;
  return reply(200, {{"drained", drained},
                     {"backlog", drained || position >= target ? 0 : target - position}});
}

// What is in force is told also if a restart would forget it.
http::Response pause(const AdminContext& context, bool paused) {
  const Status kept = context.loop.pause(paused);
  json::object body{{"paused", paused}};
  if (!kept) body["error"] = "a restart will not know of it: " + kept.error().message();
  return reply(kept ? 200 : 503, body);
}

http::Response retry_dead_letters(const AdminContext& context) {
  sql::Connection connection;
  RetryReport report;
  auto failure = connection.connect(context.options.mysql);
  orders::OrderTable orders = context.options.orders;
  orders::SchemaReport schema;
  if (!failure) failure = orders::learn(connection, orders, schema);
  if (!failure) failure = flusher::retry_dead_letters(connection, orders, report);
  if (!failure) {
    DeadLetterTally left;
    failure = tally_dead_letters(connection, left);
    if (!failure) {
      context.status.update([&](StatusSnapshot& status) {
        status.dead_letter_rows = left.count;
        ++status.dead_letters_version;
      });
    }
  }
  json::object body{{"tried", report.tried}, {"inserted", report.inserted}};
  if (failure) body["error"] = failure->text();
  return reply(failure ? 503 : 200, body);
}

// For the proxies; order ids as strings.
http::Response dead_letters(const AdminContext& context) {
  sql::Connection connection;
  std::vector<DeadLetterNote> notes;
  auto failure = connection.connect(context.options.mysql);
  if (!failure) failure = read_dead_letters(connection, notes);
  if (failure) return reply(503, {{"error", failure->text()}});
  json::array letters;
  for (const DeadLetterNote& note : notes) {
    letters.emplace_back(json::object{
        {"order_id", std::to_string(note.order_id)}, {"code", note.code}, {"error", note.error}});
  }
  return reply(200, letters);
}

// Whether an order is a row: {"found": "row"} or {"found": "none"}.
http::Response find_order(const AdminContext& context, const http::Request& request) {
  journal::Record order;
  order.item = query_value(request.query, "item");
  order.user = query_value(request.query, "user");
  if (!base::parse_decimal(query_value(request.query, "order_id"), order.order_id))
    return reply(400, {{"error", "the parameters are order_id, item and user"}});
  sql::Connection connection;
  std::vector<sql::Row> rows;
  auto failure = connection.connect(context.options.mysql);
  if (!failure) failure = connection.query(context.options.orders.find_one(order), rows);
  if (failure) return reply(503, {{"error", failure->text()}});
  return reply(200, {{"found", rows.empty() ? "none" : "row"}});
}

// What MySQL has of items, by repeated item=NAME: {"NAME": {"stock": n, "sold": n}}; one without a
// row is not in it.
http::Response items(const AdminContext& context, const http::Request& request) {
  std::string query = "SELECT item_id, stock, sold FROM items WHERE item_id IN (";
  size_t named = 0;
  std::string_view rest = request.query;
  while (!rest.empty()) {
    const std::string_view pair = rest.substr(0, rest.find('&'));
    rest.remove_prefix(std::min(pair.size() + 1, rest.size()));
    if (!pair.starts_with("item=") || ++named > kItemsMax) {
      return reply(400, {{"error", "the parameter is item, 100 times at most"}});
    }
    if (named > 1) query += ',';
    sql::append_quoted(query, pair.substr(5));
  }
  if (named == 0) return reply(200, json::object());
  sql::Connection connection;
  std::vector<sql::Row> rows;
  auto failure = connection.connect(context.options.mysql);
  if (!failure) failure = connection.query(query + ")", rows);
  if (failure) return reply(503, {{"error", failure->text()}});
  json::object found;
  for (const sql::Row& row : rows) {
    int64_t stock = 0, sold = 0;
    base::parse_decimal(row[1].value_or(""), stock);
    base::parse_decimal(row[2].value_or(""), sold);
    found[row[0].value_or("")] = {{"stock", stock}, {"sold", sold}};
  }
  return reply(200, found);
}

json::array triggers_json(const StatusSnapshot& status) {
  json::array triggers;
  for (const TriggerState& trigger : status.triggers) {
    triggers.push_back(
        json::object{{"name", trigger.name}, {"fires", trigger.fires}, {"reason", trigger.reason}});
  }
  return triggers;
}

json::object quantiles_json(const base::Quantiles& seconds) {
  return {
      {"count", seconds.count}, {"p50", seconds.p50}, {"p99", seconds.p99}, {"p999", seconds.p999}};
}

json::object failures_json(const StatusSnapshot& status) {
  json::object failures;
  for (const auto& [kind, failure] : status.failures) {
    failures[sql::kind_name(kind)] = {
        {"count", failure.count}, {"text", failure.text}, {"at_ms", failure.at_ms}};
  }
  return failures;
}

json::array replicas_json(const StatusSnapshot& status) {
  json::array replicas;
  for (const ReplicaState& replica : status.replicas) {
    json::object body{{"name", replica.name}, {"lag_seconds", nullptr}, {"error", replica.error}};
    if (replica.lag_us) {
      body["lag_seconds"] = static_cast<double>(*replica.lag_us) / kUsPerSecond;
    }
    replicas.push_back(std::move(body));
  }
  return replicas;
}

// -1: not known, here and in the next two.
int64_t backlog_records(const StatusSnapshot& status) {
  return status.backlog ? static_cast<int64_t>(status.backlog->records) : -1;
}

int64_t backlog_bytes(const StatusSnapshot& status) {
  return status.backlog ? status.backlog->bytes : -1;
}

double oldest_age_s(const StatusSnapshot& status) {
  return status.backlog ? static_cast<double>(status.backlog->oldest_age_us) / kUsPerSecond : -1;
}

}  // namespace

std::string status_json(const StatusSnapshot& status, const base::Quantiles& flush_seconds) {
  json::object body{
      {"state", state_name(status.state)},
      {"reason", status.reason},
      {"trigger", status.trigger},
      {"triggers", triggers_json(status)},
      {"next_scheduled_ms", nullptr},
      // As strings: above 2^53 JavaScript would round them.
      {"journal_id", std::to_string(status.journal_id)},
      {"position", status.position},
      {"last_sequence", status.last_sequence},
      {"backlog_records", backlog_records(status)},
      {"backlog_bytes", backlog_bytes(status)},
      {"oldest_age_seconds", oldest_age_s(status)},
      {"load_per_second", status.load_per_s},
      {"rows_total", status.rows_total},
      {"dead_letter_rows", status.dead_letter_rows},
      {"dead_letters_version", status.dead_letters_version},
      {"last_commit_ms", status.last_commit_ms},
      {"rows_per_second", status.rows_per_s},
      {"pace_rows_per_second", status.pace_rows_per_s},
      {"eta_seconds", nullptr},
      {"flush_seconds", quantiles_json(flush_seconds)},
      {"replicas", replicas_json(status)},
      {"errors", failures_json(status)},
      {"mysql", {{"connected", status.mysql_connected}, {"error", status.trouble()}}}};
  if (const auto eta_s = status.eta_s()) body["eta_seconds"] = *eta_s;
  if (status.next_scheduled_s) body["next_scheduled_ms"] = *status.next_scheduled_s * 1000;
  return json::serialize(body) + "\n";
}

void add_admin_routes(http::Server& server, const AdminContext& context) {
  server.route("GET", "/status", [context](const http::Request&) {
    return http::Response{
        200, "application/json",
        status_json(context.status.read(), context.flush_seconds.read(base::monotonic_us()))};
  });
  server.route("GET", "/metrics", [context](const http::Request&) {
    return http::Response{200, "text/plain; version=0.0.4", context.metrics.render()};
  });
  server.route("GET", "/dead_letters",
               [context](const http::Request&) { return dead_letters(context); });
  server.route("GET", "/items",
               [context](const http::Request& request) { return items(context, request); });
  server.route("GET", "/order",
               [context](const http::Request& request) { return find_order(context, request); });
  server.route("GET", "/healthz", [](const http::Request&) { return text(200, "ok\n"); });
  server.route("GET", "/readyz",
               [context](const http::Request&) { return readiness(context.status.read()); });
  server.route("POST", "/flush",
               [context](const http::Request& request) { return flush(context, request); });
  server.route("POST", "/pause", [context](const http::Request&) { return pause(context, true); });
  server.route("POST", "/resume",
               [context](const http::Request&) { return pause(context, false); });
  server.route("POST", "/dlq/retry",
               [context](const http::Request&) { return retry_dead_letters(context); });
}

void register_status_metrics(base::Registry& registry, const StatusBoard& status) {
  const auto gauge = [&](std::string_view name, std::string_view help, auto read) {
    registry.computed(name, help,
                      [&status, read] { return static_cast<double>(read(status.read())); });
  };
  gauge("sluice_backlog_records", "Journal records that are not in MySQL yet; -1: not known.",
        backlog_records);
  gauge("sluice_backlog_bytes",
        "Journal bytes that are not in MySQL yet, estimated; -1: not known.", backlog_bytes);
  gauge("sluice_backlog_oldest_age_seconds",
        "Age of the oldest record that is not in MySQL yet; -1: not known.", oldest_age_s);
  gauge("sluice_dead_letter_rows", "Orders that MySQL refused.",
        [](const StatusSnapshot& s) { return s.dead_letter_rows; });
  gauge("sluice_mysql_connected", "1 if MySQL answered last time.",
        [](const StatusSnapshot& s) { return s.mysql_connected ? 1 : 0; });
  gauge("sluice_flush_rows_per_second", "Records that went into MySQL in the last second.",
        [](const StatusSnapshot& s) { return s.rows_per_s; });
  gauge("sluice_flush_pace_rows_per_second", "Records that may go per second; 0: no limit.",
        [](const StatusSnapshot& s) { return s.pace_rows_per_s; });
  gauge("sluice_flush_eta_seconds", "Until the backlog is drained at this rate; -1: not known.",
        [](const StatusSnapshot& s) { return s.eta_s().value_or(-1); });
  gauge("sluice_flush_paused", "1 while an operator has paused the drain.",
        [](const StatusSnapshot& s) { return s.state == State::kPaused ? 1 : 0; });
  for (const std::string_view why : kBlockades) {
    registry.computed(
        "sluice_blocked", "1 if this keeps the proxy or its flusher from their work, else 0.",
        [&status, why] { return status.read().blocked_by() == why ? 1.0 : 0.0; }, false,
        "destination=\"mysql\",reason=\"" + std::string(why) + "\"");
  }
  for (const State state : kStates) {
    registry.computed(
        "sluice_flusher_state", "1 for the state that the flusher is in, 0 for the others.",
        [&status, state] { return status.read().state == state ? 1.0 : 0.0; }, false,
        "state=\"" + std::string(state_name(state)) + "\"");
  }
  registry.computed(
      "sluice_build_info", "Always 1; what is running is in the labels.", [] { return 1.0; }, false,
      "version=\"" SLUICE_VERSION "\",program=\"flusher\"");
}

}  // namespace sluice::flusher
