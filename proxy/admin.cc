#include "proxy/admin.h"

#include <algorithm>
#include <boost/json.hpp>
#include <charconv>
#include <chrono>
#include <future>
#include <memory>

#include "proxy/dashboard.h"

namespace sluice::proxy {
namespace {

constexpr size_t kViewersMax = 32;
// It may stand behind another request to the flusher.
constexpr auto kFlusherWait = std::chrono::seconds(10);

http::Response json(int status, const boost::json::object& object) {
  return {status, "application/json", boost::json::serialize(object) + "\n"};
}

http::Response failed(const Error& error) { return json(502, {{"error", error.message()}}); }

// "wait_ms=500" anywhere in the query; 0 if it is not there.
int64_t wait_of(std::string_view query) {
  constexpr std::string_view name = "wait_ms=";
  const size_t at = query.find(name);
  int64_t wait_ms = 0;
  if (at != std::string_view::npos) {
    std::from_chars(query.data() + at + name.size(), query.data() + query.size(), wait_ms);
  }
  return std::clamp<int64_t>(wait_ms, 0, 60'000);
}

http::Response flush(sale::FlusherPort& flusher, int64_t wait_ms) {
  auto answer = std::make_shared<std::promise<Result<int64_t>>>();
  auto future = answer->get_future();
  flusher.flush(wait_ms, [answer](const Result<int64_t>& left) { answer->set_value(left); });
  if (future.wait_for(std::chrono::milliseconds(wait_ms + 10'000)) != std::future_status::ready) {
    return json(504, {{"error", "the flusher has not answered in time"}});
  }
  const auto left = future.get();
  if (!left) return failed(left.error());
  return json(200, {{"drained", *left == 0}, {"backlog", *left}});
}

// What the flusher was asked for; `done`: told if it did so.
http::Response ask_flusher(const std::function<void(sale::FlusherPort::Done)>& ask,
                           const boost::json::object& done) {
  auto answer = std::make_shared<std::promise<Status>>();
  auto future = answer->get_future();
  ask([answer](const Status& status) { answer->set_value(status); });
  if (future.wait_for(kFlusherWait) != std::future_status::ready) {
    return json(504, {{"error", "the flusher has not answered in time"}});
  }
  const Status status = future.get();
  return status ? json(200, done) : failed(status.error());
}

// "what=flush": the drain; "what=intake" or nothing: the intake.
http::Response pause_or_resume(bool pause, std::string_view query, sale::Shared& shared,
                               FlusherLink& flusher) {
  if (query == "what=flush") {
    const auto ask = [pause, &flusher](FlusherLink::Done done) {
      pause ? flusher.pause(std::move(done)) : flusher.resume(std::move(done));
    };
    return ask_flusher(ask, {{"flush", pause ? "paused" : "open"}});
  }
  if (!query.empty() && query != "what=intake") {
    return json(400, {{"error", "the parameter is what=intake or what=flush"}});
  }
  shared.intake_paused.store(pause);
  return json(200, {{"intake", pause ? "paused" : "open"}});
}

void add_verbs(http::Server& server, sale::Shared& shared, FlusherLink& flusher) {
  server.route("POST", "/pause", [&shared, &flusher](const http::Request& request) {
    return pause_or_resume(true, request.query, shared, flusher);
  });
  server.route("POST", "/resume", [&shared, &flusher](const http::Request& request) {
    return pause_or_resume(false, request.query, shared, flusher);
  });
  server.route("POST", "/flush", [&flusher](const http::Request& request) {
    return flush(flusher, wait_of(request.query));
  });
  server.route("POST", "/dlq/retry", [&flusher](const http::Request&) {
    const auto ask = [&flusher](FlusherLink::Done done) {
      flusher.retry_dead_letters(std::move(done));
    };
    return ask_flusher(ask, {{"retried", true}});
  });
}

}  // namespace

http::EventStream& add_admin_routes(http::Server& server, const AdminContext& context) {
  server.route("GET", "/healthz", [](const http::Request&) {
    return json(200, {{"status", "ok"}});
  });
  server.route("GET", "/readyz", [&health = context.health](const http::Request&) {
    const std::string why = health.text();
    return why.empty() ? json(200, {{"status", "ready"}})
                       : json(503, {{"status", "not ready"}, {"reason", why}});
  });
  server.route("GET", "/metrics", [&metrics = context.metrics](const http::Request&) {
    return http::Response{200, "text/plain; version=0.0.4; charset=utf-8", metrics.render()};
  });
  server.route("GET", "/status", [&monitor = context.monitor](const http::Request&) {
    return http::Response{200, "application/json", monitor.status() + "\n"};
  });
  server.route("GET", "/history", [&monitor = context.monitor](const http::Request&) {
    return http::Response{200, "application/json", monitor.history() + "\n"};
  });
  add_verbs(server, context.shared, context.flusher);
  add_dashboard_routes(server);
  return server.stream("/events", kViewersMax,
                       [&monitor = context.monitor] { return monitor.status(); });
}

}  // namespace sluice::proxy
