// The report of a sale as one page: no script, nothing loaded from anywhere, light or dark as the
// reader's system is.
#include <algorithm>
#include <cstdio>

#include "base/clock.h"
#include "ctl/figures.h"
#include "ctl/sale_report.h"
#include "ctl/words.h"

namespace sluice::ctl {
namespace {

constexpr int kPlotWidth = 720, kPlotHeight = 200, kPlotLeft = 70, kPlotTop = 12;
constexpr int64_t kColumnsMax = 180;
constexpr int kBarHeight = 22, kBarLeft = 220, kBarWidth = 380;

constexpr const char* kStyle = R"(
:root { color-scheme: light dark; --ink: #1b1f24; --soft: #57606a; --paper: #fff; --line: #d0d7de;
  --bar: #0b62c4; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6edf3; --soft: #9da7b3; --paper: #0d1117; --line: #30363d; --bar: #58a6ff; }
}
body { margin: 0 auto; max-width: 760px; padding: 24px 16px; background: var(--paper);
  color: var(--ink); font: 15px/1.5 system-ui, sans-serif; }
h1 { font-size: 24px; margin: 0; } h2 { font-size: 17px; margin: 28px 0 8px; }
p, caption { color: var(--soft); margin: 0 0 8px; text-align: left; }
dl { display: grid; grid-template-columns: repeat(auto-fill, minmax(160px, 1fr)); gap: 12px; }
dt { color: var(--soft); } dd { margin: 0; font-size: 20px; font-variant-numeric: tabular-nums; }
.times { grid-template-columns: repeat(auto-fill, minmax(220px, 1fr)); }
.times dd { font-size: 16px; }
svg { width: 100%; height: auto; } text { fill: var(--soft); font: 12px system-ui, sans-serif; }
rect { fill: var(--bar); } line { stroke: var(--line); }
table { border-collapse: collapse; width: 100%; }
th, td { border-bottom: 1px solid var(--line); padding: 4px 8px 4px 0; text-align: left; }
td + td, th + th { text-align: right; font-variant-numeric: tabular-nums; }
.warning { border-left: 4px solid #d4351c; padding-left: 12px; color: var(--ink); }
)";

std::string html_text(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '<')
      out += "&lt;";
    else if (c == '&')
      out += "&amp;";
    else if (c == '"')
      out += "&quot;";
    else
      out += c;
  }
  return out;
}

std::string count_text(uint64_t count) { return grouped(static_cast<int64_t>(count)); }

std::string svg_begin(int height, const std::string& title) {
  return "<svg viewBox=\"0 0 " + std::to_string(kPlotWidth) + " " + std::to_string(height) +
         "\" role=\"img\" aria-label=\"" + html_text(title) + "\"><title>" + html_text(title) +
         "</title>\n";
}

std::string svg_number(double number) {
  char text[32];
  std::snprintf(text, sizeof text, "%.2f", number);
  return text;
}

std::string svg_rect(double x, double y, double width, double height, const std::string& title) {
  return "<rect x=\"" + svg_number(x) + "\" y=\"" + svg_number(y) + "\" width=\"" +
         svg_number(width) + "\" height=\"" + svg_number(height) + "\"><title>" + html_text(title) +
         "</title></rect>\n";
}

std::string svg_text(double x, double y, const char* anchor, const std::string& text) {
  return "<text x=\"" + svg_number(x) + "\" y=\"" + svg_number(y) + "\" text-anchor=\"" + anchor +
         "\">" + html_text(text) + "</text>\n";
}

struct Column {
  int64_t second;   // its first
  uint64_t orders;  // in all its seconds
};

// The seconds from the first order to the last one, gathered into at most kColumnsMax columns.
std::vector<Column> columns_of(const OrderTimes& times, int64_t& width_s) {
  const int64_t first = times.by_second.front().first, last = times.by_second.back().first;
  width_s = (last - first) / kColumnsMax + 1;
  std::vector<Column> columns;
  for (int64_t second = first; second <= last; second += width_s) columns.push_back({second, 0});
  for (const auto& [second, orders] : times.by_second)
    columns[static_cast<size_t>((second - first) / width_s)].orders += orders;
  return columns;
}

std::string orders_plot(const SaleReport& report) {
  if (report.times.by_second.empty()) return "<p>No order is in MySQL yet.</p>\n";
  int64_t width_s = 1;
  const std::vector<Column> columns = columns_of(report.times, width_s);
  uint64_t most = 1;
  for (const Column& column : columns) most = std::max(most, column.orders);
  const std::string unit = width_s == 1 ? "a second" : "in " + std::to_string(width_s) + " seconds";
  const double step = static_cast<double>(kPlotWidth - kPlotLeft) /
                      static_cast<double>(std::max<size_t>(columns.size(), 10));
  const double base = kPlotTop + kPlotHeight;
  std::string svg = svg_begin(kPlotHeight + kPlotTop + 28, "Orders " + unit + ", over the sale");
  for (size_t i = 0; i < columns.size(); ++i) {
    if (columns[i].orders == 0) continue;
    const double height =
        kPlotHeight * static_cast<double>(columns[i].orders) / static_cast<double>(most);
    svg += svg_rect(kPlotLeft + static_cast<double>(i) * step, base - height, step * 0.9, height,
                    base::utc_text(columns[i].second * 1000) + ": " +
                        count_text(columns[i].orders) + " orders " + unit);
  }
  svg += "<line x1=\"" + svg_number(kPlotLeft) + "\" x2=\"" + svg_number(kPlotWidth) + "\" y1=\"" +
         svg_number(base) + "\" y2=\"" + svg_number(base) + "\"/>\n";
  svg += svg_text(kPlotLeft - 8, kPlotTop + 10, "end", count_text(most));
  svg += svg_text(kPlotLeft - 8, base, "end", "0");
  svg += svg_text(kPlotLeft, base + 18, "start", base::utc_text(report.times.first_ms));
  if (columns.size() > 1)
    svg += svg_text(kPlotWidth, base + 18, "end", base::utc_text(report.times.last_ms));
  return "<p>Orders " + unit + "</p>\n" + svg + "</svg>\n";
}

// One bar a name, with its figure beside it.
std::string bars_plot(const std::string& title,
                      const std::vector<std::pair<std::string, uint64_t>>& figures) {
  uint64_t most = 1;
  for (const auto& [name, count] : figures) most = std::max(most, count);
  std::string svg = svg_begin(static_cast<int>(figures.size()) * kBarHeight, title);
  for (size_t i = 0; i < figures.size(); ++i) {
    const double top = static_cast<double>(i) * kBarHeight;
    const double width =
        kBarWidth * static_cast<double>(figures[i].second) / static_cast<double>(most);
    const std::string count = count_text(figures[i].second);
    svg += svg_text(kBarLeft - 8, top + 15, "end", figures[i].first);
    svg += svg_rect(kBarLeft, top + 3, width, kBarHeight - 6, figures[i].first + ": " + count);
    svg += svg_text(kBarLeft + width + 8, top + 15, "start", count);
  }
  return svg + "</svg>\n";
}

std::string figure(const char* name, const std::string& value) {
  return "<div><dt>" + std::string(name) + "</dt><dd>" + html_text(value) + "</dd></div>\n";
}

std::string head_figures(const SaleReport& report) {
  const MysqlItem& row = report.row;
  std::string list = "<dl>\n" + figure("sold", grouped(row.sold)) +
                     figure("given", grouped(row.stock)) +
                     figure("left", grouped(row.stock - row.sold)) +
                     figure("orders", count_text(report.orders())) +
                     figure("buyers", count_text(report.times.buyers)) +
                     figure("peak, orders a second", count_text(report.peak().second));
  list += "</dl>\n<dl class=\"times\">\n";
  if (report.times.first_ms != 0) {
    list += figure("first order", base::utc_text(report.times.first_ms)) +
            figure("last order", base::utc_text(report.times.last_ms));
  }
  const int64_t drained_ms = report.drained_by_ms();
  list += figure("in MySQL, at the latest", drained_ms != 0      ? base::utc_text(drained_ms)
                                            : report.waiting > 0 ? "not yet"
                                                                 : "-");
  return list + "</dl>\n";
}

std::string latency_table(const SaleReport& report) {
  std::string table =
      "<table>\n<caption>At most so long, to a power of two.</caption>\n"
      "<thead><tr><th scope=\"col\">of</th><th scope=\"col\">p50</th><th scope=\"col\">p99</th>"
      "<th scope=\"col\">p99.9</th><th scope=\"col\">count</th></tr></thead>\n<tbody>\n";
  for (const Latency& one : report.latencies) {
    table += "<tr><td>" + html_text(one.what) + "</td><td>" + latency_text(one.p50_s) +
             "</td><td>" + latency_text(one.p99_s) + "</td><td>" + latency_text(one.p999_s) +
             "</td><td>" + count_text(one.count) + "</td></tr>\n";
  }
  return table + "</tbody></table>\n";
}

std::string warnings(const SaleReport& report) {
  std::string text;
  if (report.waiting > 0) {
    text += "<p class=\"warning\">" + plural(report.waiting, "record") +
            " waiting to be drained, which the figures of MySQL lack; the journal has " +
            grouped(report.journal_sold) + " sold.</p>\n";
  }
  for (const std::string& silent : report.silent)
    text += "<p class=\"warning\">Missing: figures of the " + html_text(silent) + "</p>\n";
  return text;
}

}  // namespace

std::string report_html(const SaleReport& report) {
  std::vector<std::pair<std::string, uint64_t>> statuses;
  for (const SaleReport::OfStatus& one : report.statuses)
    statuses.emplace_back(one.status, one.orders);
  const std::string name = html_text(report.item);
  return "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
         "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
         "<title>Sale of " +
         name + "</title>\n<style>" + kStyle + "</style>\n</head>\n<body>\n<main>\n<h1>Sale of " +
         name + "</h1>\n<p>As of " + base::utc_text(report.at_ms) + "</p>\n" + warnings(report) +
         head_figures(report) + "<h2>Orders over time</h2>\n" + orders_plot(report) +
         "<h2>Orders by status</h2>\n" + bars_plot("Orders by status", statuses) +
         "<h2>Refused, by reason</h2>\n<p>All items, since the proxies' start, " +
         seconds_text(static_cast<double>(report.shortest_uptime_s)) + " ago</p>\n" +
         bars_plot("Refused purchases by reason", report.refused) +
         "<h2>Latency</h2>\n<p>All items, since the start of proxies and flushers</p>\n" +
         latency_table(report) + "</main>\n</body>\n</html>\n";
}

}  // namespace sluice::ctl
