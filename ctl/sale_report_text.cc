// The report of a sale as text and as JSON.
#include <boost/json.hpp>
#include <cstdio>

#include "base/clock.h"
#include "base/units.h"
#include "ctl/figures.h"
#include "ctl/sale_report.h"
#include "ctl/words.h"

namespace sluice::ctl {
namespace {

void add_line(std::string& text, const char* name, const std::string& value) {
  char begin[64];
  std::snprintf(begin, sizeof begin, "%-12s ", name);
  text += begin + value + "\n";
}

boost::json::value time_or_null(int64_t ms) {
  return ms == 0 ? boost::json::value() : boost::json::value(ms);
}

}  // namespace

std::string report_text(const SaleReport& report) {
  std::string text = "sale of " + report.item + ", as of " + base::utc_text(report.at_ms) + "\n";
  const MysqlItem& row = report.row;
  add_line(text, "sold",
           grouped(row.sold) + " of " + grouped(row.stock) + ", " + grouped(row.stock - row.sold) +
               " left");
  add_line(text, "orders",
           grouped(static_cast<int64_t>(report.orders())) + " by " +
               grouped(static_cast<int64_t>(report.times.buyers)) + " buyers");
  for (const SaleReport::OfStatus& one : report.statuses) {
    add_line(text, "",
             one.status + " " + grouped(static_cast<int64_t>(one.orders)) + ", units " +
                 grouped(one.units));
  }
  if (report.times.first_ms != 0) {
    const auto [second, orders] = report.peak();
    add_line(text, "first order", base::utc_text(report.times.first_ms));
    add_line(text, "last order", base::utc_text(report.times.last_ms));
    add_line(text, "peak",
             grouped(static_cast<int64_t>(orders)) + " orders in the second of " +
                 base::utc_text(second * 1000));
  }
  if (report.waiting > 0) {
    add_line(text, "drained by",
             "not yet: " + plural(report.waiting, "record") +
                 " waiting, which the figures above lack; the journal has " +
                 grouped(report.journal_sold) + " sold");
  } else if (const int64_t ms = report.drained_by_ms(); ms != 0) {
    add_line(text, "drained by",
             base::utc_text(ms) + " at the latest (the last commit of any item)");
  }
  text += "since the proxies' start (" +
          seconds_text(static_cast<double>(report.shortest_uptime_s)) + " ago), of all items:\n";
  std::string refused;
  for (const auto& [reason, count] : report.refused) {
    if (count > 0)
      refused +=
          (refused.empty() ? "" : ", ") + reason + " " + grouped(static_cast<int64_t>(count));
  }
  add_line(text, "refused", refused.empty() ? "none" : refused);
  for (const Latency& latency : report.latencies) {
    if (latency.count == 0) continue;
    add_line(text, "latency",
             latency.what + ": p50 " + latency_text(latency.p50_s) + ", p99 " +
                 latency_text(latency.p99_s) + ", p99.9 " + latency_text(latency.p999_s) +
                 " at most, of " + grouped(static_cast<int64_t>(latency.count)));
  }
  for (const std::string& silent : report.silent)
    add_line(text, "missing", "figures of the " + silent);
  return text;
}

std::string report_json(const SaleReport& report) {
  namespace json = boost::json;
  json::object statuses, refused;
  for (const SaleReport::OfStatus& one : report.statuses)
    statuses[one.status] = json::object{{"orders", one.orders}, {"units", one.units}};
  for (const auto& [reason, count] : report.refused) refused[reason] = count;
  json::array latencies, silent, seconds;
  for (const Latency& one : report.latencies) {
    latencies.push_back(json::object{{"what", one.what},
                                     {"count", one.count},
                                     {"p50_seconds", one.p50_s},
                                     {"p99_seconds", one.p99_s},
                                     {"p999_seconds", one.p999_s}});
  }
  for (const std::string& one : report.silent) silent.emplace_back(one);
  for (const auto& [second, orders] : report.times.by_second)
    seconds.push_back(json::array{second, orders});
  const auto [peak_second, peak] = report.peak();
  const json::object object{
      {"item", report.item},
      {"at_ms", report.at_ms},
      {"stock", report.row.stock},
      {"sold", report.row.sold},
      {"left", report.row.stock - report.row.sold},
      {"orders", report.orders()},
      {"buyers", report.times.buyers},
      {"statuses", statuses},
      {"first_order_ms", time_or_null(report.times.first_ms)},
      {"last_order_ms", time_or_null(report.times.last_ms)},
      {"peak_orders_per_second", peak},
      {"peak_at_ms", time_or_null(peak_second * 1000)},
      {"orders_by_second", seconds},
      {"waiting_records", report.waiting},
      {"sold_in_journal", report.in_journal ? json::value(report.journal_sold) : json::value()},
      {"drained_by_ms", time_or_null(report.drained_by_ms())},
      {"since_start",
       json::object{
           {"seconds", report.shortest_uptime_s}, {"refused", refused}, {"latencies", latencies}}},
      {"missing", silent}};
  return json::serialize(object) + "\n";
}

}  // namespace sluice::ctl
