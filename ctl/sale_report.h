// What `sluice-ctl sale report` tells of one item, after its sale.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ctl/mysql_items.h"

namespace sluice::ctl {

// How long something took, of all that did it since the daemons' start.
struct Latency {
  std::string what;
  uint64_t count = 0;
  double p50_s = 0, p99_s = 0, p999_s = 0;  // at most so long, to a power of two
};

struct SaleReport {
  struct OfStatus {
    std::string status;
    uint64_t orders = 0;
    int64_t units = 0;
  };

  std::string item;
  int64_t at_ms = 0;
  // Of MySQL, as of one moment.
  MysqlItem row;
  std::vector<OfStatus> statuses;
  OrderTimes times;
  int64_t last_drain_ms = 0;
  // Of the journals.
  int64_t journal_sold = 0;
  bool in_journal = false;
  uint64_t waiting = 0;  // its records that are not in MySQL yet
  // Of the proxies and flushers, since their start, of all items.
  std::vector<std::pair<std::string, uint64_t>> refused;
  std::vector<Latency> latencies;
  int64_t shortest_uptime_s = 0;
  std::vector<std::string> silent;  // servers that do not answer, and why

  uint64_t orders() const { return row.orders.bought.orders + row.dead.bought.orders; }
  // {second, orders} of the busiest one; {0, 0}: there is no order.
  std::pair<int64_t, uint64_t> peak() const;
  // Its last record was a row at this time, or before; 0: it is not known, or not yet so.
  int64_t drained_by_ms() const { return waiting > 0 || orders() == 0 ? 0 : last_drain_ms; }
};

std::string report_text(const SaleReport& report);  // sale_report_text.cc
std::string report_json(const SaleReport& report);
std::string report_html(const SaleReport& report);  // sale_report_html.cc

// Adds up what the /metrics pages of several servers say. sale_figures.cc
std::vector<std::pair<std::string, uint64_t>> refusals_of(const std::vector<std::string>& pages);
// Of a histogram in seconds.
Latency latency_of(const std::vector<std::string>& pages, std::string_view metric,
                   std::string_view what);
// "1.0 ms", "250 µs", "2.1 s"
std::string latency_text(double seconds);

}  // namespace sluice::ctl
