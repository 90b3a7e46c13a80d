// What the monitor tells, part by part; docs/status.schema.json says what each field means.
#include <boost/json/array.hpp>
#include <charconv>

#include "base/clock.h"
#include "proxy/monitor/monitor.h"

namespace sluice::proxy::monitor {
namespace {

namespace json = boost::json;

constexpr int64_t kRateSeconds = 3;
constexpr int64_t kGrowthSeconds = 60;
constexpr size_t kLettersShown = 50;
constexpr double kRecordBytes = 128;  // of a purchase, until a backlog tells it better

json::object quantiles_json(const base::Quantiles& seconds) {
  return {
      {"count", seconds.count}, {"p50", seconds.p50}, {"p99", seconds.p99}, {"p999", seconds.p999}};
}

// What the flusher said under that name; null: nothing.
json::value told(const json::object* flusher, std::string_view name) {
  const json::value* value = flusher == nullptr ? nullptr : flusher->if_contains(name);
  return value == nullptr ? json::value() : *value;
}

// -1: not known.
json::value known(int64_t number) { return number < 0 ? json::value() : json::value(number); }
json::value known(double number) { return number < 0 ? json::value() : json::value(number); }

// Name and value pairs of SECKILL.STATUS: numbers as numbers, but for ids above 2^53, which
// JavaScript would round.
void append_flat(json::object& object, const sale::Sale& sale) {
  for (const auto& [name, value] : sale.status()) {
    int64_t number = 0;
    const char* end = value.data() + value.size();
    const auto [rest, failure] = std::from_chars(value.data(), end, number);
    const bool is_number = failure == std::errc() && rest == end && name != "journal_id";
    object[name] = is_number ? json::value(number) : json::value(value);
  }
}

json::object totals_json(const sale::SaleMetrics& metrics, uint64_t drained) {
  return {{"accepted", metrics.accepted.value()},
          {"repeated", metrics.repeated.value()},
          {"drained_records", drained},
          {"refused",
           {{"soldout", metrics.soldout.value()},
            {"limit", metrics.limit.value()},
            {"notstarted", metrics.notstarted.value()},
            {"ended", metrics.ended.value()},
            {"closed", metrics.closed.value()},
            {"noitem", metrics.noitem.value()},
            {"busy", metrics.busy.value()},
            {"error", metrics.error.value()}}},
          {"unknown", metrics.unknown.value()}};
}

json::array items_json(const std::vector<WatchedItem>& items) {
  json::array all;
  for (const WatchedItem& item : items) {
    json::object one{{"item", item.name},      {"sold_per_second", item.sold_per_s},
                     {"stock", nullptr},       {"sold", nullptr},
                     {"remaining", nullptr},   {"state", nullptr},
                     {"mysql_stock", nullptr}, {"mysql_sold", nullptr},
                     {"guard", item.guard}};
    if (item.redis) {
      one["stock"] = item.redis->stock;
      one["sold"] = item.redis->sold;
      one["remaining"] = item.redis->remaining;
      one["state"] = item.redis->state;
    }
    if (item.mysql) {
      one["mysql_stock"] = item.mysql->stock;
      one["mysql_sold"] = item.mysql->sold;
    }
    all.push_back(std::move(one));
  }
  return all;
}

json::object shelves_json(const sale::ShelfReport& shelves) {
  json::object reasons;
  for (const auto& [why, count] : shelves.reasons) reasons[why] = count;
  return {{"open", shelves.open},         {"asleep", shelves.asleep},
          {"waiting", shelves.waiting},   {"replaying", shelves.replaying},
          {"unable", shelves.unable},     {"shut", shelves.shut},
          {"reasons", std::move(reasons)}};
}

json::object letters_json(const sale::DeadLetters& letters) {
  json::array shown;
  for (const auto& [id, letter] : letters.some(kLettersShown)) {
    shown.push_back(json::object{
        {"order_id", std::to_string(id)}, {"code", letter.code}, {"error", letter.text}});
  }
  return {{"count", letters.count()}, {"shown", std::move(shown)}};
}

}  // namespace

json::object Monitor::describe_state(const std::vector<WatchedItem>& items) {
  Banner now = banner(items);
  const std::lock_guard lock(mutex_);
  if (now.state != state_) {
    state_ = now.state;
    state_since_ms_ = base::wall_ms();
  }
  return {{"name", now.state}, {"reason", std::move(now.reason)}, {"since_ms", state_since_ms_}};
}

json::object Monitor::describe_backlog(const sale::DrainReport& drain) const {
  return {{"rows", known(drain.backlog_records)},
          {"bytes", known(drain.backlog_bytes)},
          {"oldest_age_seconds", known(drain.oldest_age_s)},
          {"rows_per_second", known(drain.rows_per_s)},
          {"drain_eta_seconds", known(drain.eta_s)}};
}

// The journal is full at journal.max_bytes, or when the disk is, whichever comes first.
json::object Monitor::describe_journal(const sale::DrainReport& drain) const {
  const int64_t bytes = shared_.journal->bytes_used();
  int64_t room = options_.journal_bytes_max - bytes;
  const auto free_bytes = shared_.files->free_bytes(shared_.journal_dir);
  if (free_bytes) {
    room = std::min(room, static_cast<int64_t>(*free_bytes) - options_.free_bytes_min);
  }
  room = std::max<int64_t>(room, 0);
  // Segments are made in steps of 64 MiB; what is written into them grows evenly.
  const double record_bytes =
      drain.backlog_records > 0 && drain.backlog_bytes > 0
          ? static_cast<double>(drain.backlog_bytes) / static_cast<double>(drain.backlog_records)
          : kRecordBytes;
  const double growth = samples_.rates(kGrowthSeconds).written * record_bytes;
  json::object described{{"bytes", bytes},
                         {"bytes_max", options_.journal_bytes_max},
                         {"records_per_second", samples_.rates(kGrowthSeconds).written},
                         {"disk_free_bytes", nullptr},
                         {"room_bytes", room},
                         {"growth_bytes_per_second", growth},
                         {"full_eta_seconds", nullptr}};
  if (free_bytes) described["disk_free_bytes"] = *free_bytes;
  if (growth > 0) described["full_eta_seconds"] = static_cast<double>(room) / growth;
  return described;
}

json::object Monitor::describe_latency(const json::object* flusher) {
  const int64_t now_us = base::monotonic_us();
  json::object latency{{"accept", quantiles_json(accept_.read(now_us))},
                       {"redis", quantiles_json(redis_.read(now_us))},
                       {"fsync", nullptr},
                       {"flush", told(flusher, "flush_seconds")}};
  if (fsync_) latency["fsync"] = quantiles_json(fsync_->read(now_us));
  return latency;
}

// This proxy first; then those whose orders it waits for when Redis has lost anything.
json::array Monitor::describe_lanes() const {
  json::array lanes{
      json::object{{"proxy_id", shared_.lane}, {"journal_id", shared_.journal_id}, {"this", true}}};
  for (const auto& [id, journal] : shared_.lanes->peers()) {
    lanes.push_back(
        json::object{{"proxy_id", std::to_string(id)}, {"journal_id", journal}, {"this", false}});
  }
  return lanes;
}

json::object Monitor::describe() {
  const std::vector<WatchedItem> items = items_.top();
  const sale::DrainReport drain = flusher_.report();
  const auto flusher = drain_.last_status();
  const Rates rates = samples_.rates(kRateSeconds);
  json::object all;
  append_flat(all, sale_);
  all["time_ms"] = base::wall_ms();
  all["state"] = describe_state(items);
  all["totals"] = totals_json(*shared_.metrics, shared_.drained_sequence.load());
  all["rates"] = {
      {"accepted", rates.accepted}, {"refused", rates.refused}, {"drained", rates.drained}};
  all["backlog"] = describe_backlog(drain);
  all["journal"] = describe_journal(drain);
  all["latency"] = describe_latency(flusher.get());
  all["top_items"] = items_json(items);
  all["oversold"] = shared_.metrics->oversell.value();
  all["shelves"] = shelves_json(sale_.report_of_shelves());
  all["lanes"] = describe_lanes();
  all["drain"] = {{"state", drain.state},
                  {"reason", drain.reason},
                  {"error", drain.trouble},
                  {"trigger", told(flusher.get(), "trigger")},
                  {"triggers", told(flusher.get(), "triggers")},
                  {"next_scheduled_ms", told(flusher.get(), "next_scheduled_ms")},
                  {"last_commit_ms", told(flusher.get(), "last_commit_ms")}};
  all["refused_orders"] = letters_json(shared_.dead_letters);
  return all;
}

}  // namespace sluice::proxy::monitor
