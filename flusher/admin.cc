#include "flusher/admin.h"

#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

#include "base/clock.h"
#include "base/units.h"
#include "flusher/dead_letter.h"
#include "journal/reader.h"

namespace sluice::flusher {
namespace {

namespace json = boost::json;

constexpr int64_t kWaitMaxMs = 600'000;
constexpr double kUsPerSecond = 1e6;

http::Response reply(int status, const json::value& body) {
  return {status, "application/json", json::serialize(body) + "\n"};
}

http::Response text(int status, std::string body) {
  return {status, "text/plain; charset=utf-8", std::move(body)};
}

http::Response readiness(const StatusSnapshot& status) {
  if (status.state == State::kWaiting || !status.mysql_connected) {
    return text(503, "not ready: " + status.reason + "\n");
  }
  return text(200, "ready\n");
}

// "wait_ms=500" → 500; no such parameter: 0.
Result<int64_t> wait_ms_of(const std::string& query) {
  constexpr std::string_view kName = "wait_ms=";
  if (query.empty()) return int64_t{0};
  auto value = query.starts_with(kName) ? base::parse_integer(query.substr(kName.size()))
                                        : Result<int64_t>(int64_t{-1});
  if (value && *value >= 0 && *value <= kWaitMaxMs) return value;
  return Error(ErrorClass::kInvalid, "the one parameter is wait_ms, 0 to 600000");
}

http::Response flush(const AdminContext& context, const http::Request& request) {
  const auto wait_ms = wait_ms_of(request.query);
  if (!wait_ms) return reply(400, {{"error", wait_ms.error().message()}});
  if (context.loop.paused()) return reply(409, {{"error", "the flusher is paused; POST /resume"}});
  const auto extent = journal::extent(context.options.journal_dir, context.fs);
  if (!extent) return reply(503, {{"error", extent.error().message()}});
  context.loop.request_flush();
  const uint64_t target = extent->last_sequence + 1;
  const bool drained = context.status.wait_position(target, *wait_ms);
  const uint64_t position = context.status.read().position;
  return reply(200, {{"drained", drained},
                     {"backlog", drained || position >= target ? 0 : target - position}});
}

http::Response retry_dead_letters(const AdminContext& context) {
  sql::Connection connection;
  RetryReport report;
  auto failure = connection.connect(context.options.mysql);
  if (!failure) failure = flusher::retry_dead_letters(connection, context.options.orders, report);
  if (!failure) {
    uint64_t left = 0;
    failure = count_dead_letters(connection, left);
    if (!failure) {
      context.status.update([&](StatusSnapshot& status) { status.dead_letter_rows = left; });
    }
  }
  json::object body{{"tried", report.tried}, {"inserted", report.inserted}};
  if (failure) body["error"] = failure->text();
  return reply(failure ? 503 : 200, body);
}

}  // namespace

std::string status_json(const StatusSnapshot& status) {
  const bool eta_known = status.state == State::kDraining && status.rows_per_s > 0;
  json::object body{
      {"state", state_name(status.state)},
      {"reason", status.reason},
      {"trigger", status.trigger},
      // As strings: above 2^53 JavaScript would round them.
      {"journal_id", std::to_string(status.journal_id)},
      {"position", status.position},
      {"backlog_records", status.backlog_records},
      {"backlog_bytes", status.backlog_bytes},
      {"oldest_age_seconds", static_cast<double>(status.oldest_age_us) / kUsPerSecond},
      {"load_per_second", status.load_per_s},
      {"rows_total", status.rows_total},
      {"dead_letter_rows", status.dead_letter_rows},
      {"last_commit_ms", status.last_commit_ms},
      {"rows_per_second", status.rows_per_s},
      {"eta_seconds", nullptr},
      {"mysql", {{"connected", status.mysql_connected}, {"error", status.mysql_error}}}};
  if (eta_known) {
    body["eta_seconds"] =
        static_cast<double>(status.backlog_records) / static_cast<double>(status.rows_per_s);
  }
  return json::serialize(body) + "\n";
}

void add_admin_routes(http::Server& server, const AdminContext& context) {
  server.route("GET", "/status", [context](const http::Request&) {
    return http::Response{200, "application/json", status_json(context.status.read())};
  });
  server.route("GET", "/metrics", [context](const http::Request&) {
    return http::Response{200, "text/plain; version=0.0.4", context.metrics.render()};
  });
  server.route("GET", "/healthz", [](const http::Request&) { return text(200, "ok\n"); });
  server.route("GET", "/readyz",
               [context](const http::Request&) { return readiness(context.status.read()); });
  server.route("POST", "/flush",
               [context](const http::Request& request) { return flush(context, request); });
  server.route("POST", "/pause", [context](const http::Request&) {
    context.loop.pause(true);
    return reply(200, {{"paused", true}});
  });
  server.route("POST", "/resume", [context](const http::Request&) {
    context.loop.pause(false);
    return reply(200, {{"paused", false}});
  });
  server.route("POST", "/dlq/retry",
               [context](const http::Request&) { return retry_dead_letters(context); });
}

void register_status_metrics(base::Registry& registry, const StatusBoard& status) {
  const auto gauge = [&](std::string_view name, std::string_view help, auto read) {
    registry.computed(name, help,
                      [&status, read] { return static_cast<double>(read(status.read())); });
  };
  gauge("sluice_backlog_records", "Journal records that are not in MySQL yet.",
        [](const StatusSnapshot& s) { return s.backlog_records; });
  gauge("sluice_backlog_bytes", "Journal bytes that are not in MySQL yet, estimated.",
        [](const StatusSnapshot& s) { return s.backlog_bytes; });
  gauge(
      "sluice_backlog_oldest_age_seconds", "Age of the oldest record that is not in MySQL yet.",
      [](const StatusSnapshot& s) { return static_cast<double>(s.oldest_age_us) / kUsPerSecond; });
  gauge("sluice_dead_letter_rows", "Orders that MySQL refused.",
        [](const StatusSnapshot& s) { return s.dead_letter_rows; });
  gauge("sluice_mysql_connected", "1 if MySQL answered last time.",
        [](const StatusSnapshot& s) { return s.mysql_connected ? 1 : 0; });
  registry.computed(
      "sluice_build_info", "Always 1; what is running is in the labels.", [] { return 1.0; }, false,
      "version=\"" SLUICE_VERSION "\",program=\"flusher\"");
}

}  // namespace sluice::flusher
