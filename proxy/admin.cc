#include "proxy/admin.h"

#include <boost/json.hpp>
#include <charconv>
#include <chrono>
#include <future>

namespace sluice::proxy {
namespace {

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

}  // namespace

void add_admin_routes(http::Server& server, const AdminContext& context) {
  const base::Registry& metrics = context.metrics;
  sale::Sale& sale = context.sale;
  sale::Shared& shared = context.shared;
  sale::FlusherPort& flusher = context.flusher;
  server.route("GET", "/healthz", [](const http::Request&) {
    return json(200, {{"status", "ok"}});
  });
  server.route("GET", "/readyz", [&health = context.health](const http::Request&) {
    const std::string why = health.text();
    return why.empty() ? json(200, {{"status", "ready"}})
                       : json(503, {{"status", "not ready"}, {"reason", why}});
  });
  server.route("GET", "/metrics", [&metrics](const http::Request&) {
    return http::Response{200, "text/plain; version=0.0.4; charset=utf-8", metrics.render()};
  });
  server.route("GET", "/status", [&sale](const http::Request&) {
    boost::json::object object;
    for (const auto& [name, value] : sale.status()) {
      int64_t number = 0;
      const char* end = value.data() + value.size();
      const auto [rest, failure] = std::from_chars(value.data(), end, number);
      const bool is_number = failure == std::errc() && rest == end && name != "journal_id";
      object[name] = is_number ? boost::json::value(number) : boost::json::value(value);
    }
    return json(200, object);
  });
  server.route("POST", "/pause", [&shared](const http::Request&) {
    shared.intake_paused.store(true);
    return json(200, {{"intake", "paused"}});
  });
  server.route("POST", "/resume", [&shared](const http::Request&) {
    shared.intake_paused.store(false);
    return json(200, {{"intake", "open"}});
  });
  server.route("POST", "/flush", [&flusher](const http::Request& request) {
    return flush(flusher, wait_of(request.query));
  });
}

}  // namespace sluice::proxy
