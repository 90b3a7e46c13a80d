// `sluice-ctl sale report`: gathers what is known of one item's sale, and prints it.
#include "ctl/sale_report.h"

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <memory>

#include "base/clock.h"
#include "ctl/admin_target.h"
#include "ctl/commands.h"
#include "ctl/figures.h"
#include "ctl/journal_totals.h"
#include "ctl/sale.h"
#include "ctl/sources.h"
#include "ctl/status_view.h"

namespace sluice::ctl {
namespace {

constexpr int64_t kMetricsTimeoutMs = 3000;

struct ReportOptions {
  std::string item, html;
  std::vector<std::string> configs;
  bool json = false;
};

void count_statuses(SaleReport& report) {
  const Sales& orders = report.row.orders;
  Tally placed = orders.bought;
  for (const orders::OrderStatus status : orders::kOrderStatuses) {
    if (status != orders::OrderStatus::kPlaced) placed -= of_status(report.row.orders, status);
  }
  for (const orders::OrderStatus status : orders::kOrderStatuses) {
    const Tally& tally =
        status == orders::OrderStatus::kPlaced ? placed : of_status(report.row.orders, status);
    report.statuses.push_back({std::string(word_of(status)), tally.orders, tally.units});
  }
  const Tally& dead = report.row.dead.bought;
  report.statuses.push_back({"deadletter", dead.orders, dead.units});
}

// Positions are taken before the journals are read: a record below them is in MySQL.
Status read_history(const Sources& sources, SaleReport& report) {
  MysqlItems mysql(sources.mysql, sources.orders);
  SLUICE_TRY(mysql.begin());
  const auto checkpoints = mysql.checkpoints();
  if (!checkpoints) return checkpoints.error();
  auto items = mysql.items({report.item});
  if (!items) return items.error();
  const auto times = mysql.order_times(report.item);
  if (!times) return times.error();
  const auto drained_ms = mysql.last_drain_ms();
  if (!drained_ms) return drained_ms.error();
  mysql.end();
  report.row = (*items)[report.item];
  report.times = *times;
  report.last_drain_ms = *drained_ms;
  count_statuses(report);
  auto totals = JournalTotals::open(sources.journals, *checkpoints, {report.item});
  if (!totals) return totals.error();
  SLUICE_TRY(totals->read());
  const auto found = totals->items().find(report.item);
  if (found != totals->items().end()) {
    report.in_journal = true;
    report.journal_sold = found->second.all.sold();
    report.waiting = found->second.waiting;
  }
  return {};
}

// What the daemons have counted; one that does not answer is named in the report.
Status read_metrics(const std::vector<std::string>& configs, SaleReport& report) {
  AdminOptions options;
  options.configs = configs;
  const auto targets = admin_targets(options);
  if (!targets) return targets.error();
  std::vector<std::string> proxies, flushers;
  for (const AdminTarget& target : *targets) {
    const auto page = ask(target, "GET", "/metrics", kMetricsTimeoutMs);
    if (!page || page->status != 200) {
      report.silent.push_back(std::string(word_of(target.kind)) + " at " + target.url + ": " +
                              (page ? words_of(*page) : page.error().message()));
      continue;
    }
    const bool is_proxy = target.kind == ConfigKind::kProxy;
    (is_proxy ? proxies : flushers).push_back(page->body);
    if (!is_proxy) continue;
    const auto uptime_s =
        static_cast<int64_t>(number_in(read_status(target).status, "uptime_seconds"));
    report.shortest_uptime_s =
        proxies.size() == 1 ? uptime_s : std::min(report.shortest_uptime_s, uptime_s);
  }
  report.refused = refusals_of(proxies);
  report.latencies = {latency_of(proxies, "sluice_purchase_seconds", "a purchase"),
                      latency_of(proxies, "sluice_journal_fsync_seconds", "a sync of the journal"),
                      latency_of(flushers, "sluice_flush_seconds", "a flush to MySQL")};
  return {};
}

int report_failed(const Error& error) {
  std::fprintf(stderr, "sale: %s\n", error.message().c_str());
  return exit_code_of(error);
}

Status write_page(const std::string& path, const std::string& page) {
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file << page;
  file.close();
  if (file) return {};
  return Error(ErrorClass::kIo, path + ": cannot be written");
}

int report_sale(const ReportOptions& options) {
  const auto sources = read_sources(options.configs, {});
  if (!sources) return report_failed(sources.error());
  SaleReport report;
  report.item = options.item;
  report.at_ms = base::wall_ms();
  if (Status read = read_history(*sources, report); !read) return report_failed(read.error());
  if (!report.row.has_row && !report.in_journal && report.orders() == 0) {
    return report_failed(Error(ErrorClass::kNotFound,
                               options.item + ": neither MySQL nor a journal knows this item"));
  }
  if (Status read = read_metrics(options.configs, report); !read)
    return report_failed(read.error());
  if (!options.html.empty()) {
    const Status written = write_page(options.html, report_html(report));
    if (!written) return report_failed(written.error());
    if (!options.json) std::printf("written to %s\n", options.html.c_str());
  }
  if (options.json || options.html.empty()) {
    const std::string text = options.json ? report_json(report) : report_text(report);
    std::fwrite(text.data(), 1, text.size(), stdout);
  }
  return report.silent.empty() ? kDone : kFailed;
}

}  // namespace

std::pair<int64_t, uint64_t> SaleReport::peak() const {
  std::pair<int64_t, uint64_t> most{0, 0};
  for (const auto& second : times.by_second) {
    if (second.second > most.second) most = second;
  }
  return most;
}

void add_report_command(base::CommandLine& line) {
  const auto options = std::make_shared<ReportOptions>();
  auto& command = line.command("report", "after a sale: what was sold, to whom, how fast");
  command.option("ITEM", &options->item, "its name").required();
  command
      .option("--config", &options->configs,
              "a proxy.toml or flusher.toml; give those of all proxies and flushers of the sale")
      .required()
      .type_name("FILE")
      .one_value_each();
  command.option("--html", &options->html, "write a page with plots, all in one file")
      .type_name("FILE");
  command.flag("--json", &options->json, "print one JSON object");
  command.footer(
      "Exit codes: 0 all told; 1 a server does not answer; 2 bad arguments, or nobody knows the\n"
      "item; 3 a journal is damaged.");
  command.does([options] { return report_sale(*options); });
}

}  // namespace sluice::ctl
