// `sluice-ctl sale check`: whether a sale may begin.
#include "ctl/sale_check.h"

#include <algorithm>
#include <boost/json.hpp>
#include <chrono>
#include <cstdio>
#include <memory>
#include <thread>

#include "base/clock.h"
#include "base/units.h"
#include "ctl/commands.h"
#include "ctl/figures.h"
#include "ctl/sale.h"
#include "ctl/status_view.h"
#include "ctl/words.h"
#include "resp/names.h"

namespace sluice::ctl {
namespace {

// A purchase, or a drain, may come between a look at Redis and one at MySQL.
constexpr int kStockLooks = 4;
constexpr auto kStockLookInterval = std::chrono::milliseconds(300);
constexpr int64_t kReadyTimeoutMs = 2000;

struct CheckOptions : SaleOptions {
  std::vector<std::string> items;
};

ReadyServer look_at_server(const AdminTarget& target) {
  ReadyServer server{target, "", "", false, 0};
  const Reading reading = read_status(target);
  server.trouble = reading.trouble;
  if (!reading.answered()) return server;
  const auto ready = ask(target, "GET", "/readyz", kReadyTimeoutMs);
  if (!ready) {
    server.trouble = ready.error().message();
  } else if (ready->status != 200) {
    server.not_ready = words_of(*ready);
  }
  const bool is_proxy = target.kind == ConfigKind::kProxy;
  server.is_paused =
      resp::equals_ignoring_case(text_in(reading.status, is_proxy ? "intake" : "state"), "paused");
  // What proxies tell of it is their flushers' word, a second old.
  if (!is_proxy)
    server.backlog_records = static_cast<int64_t>(number_in(reading.status, "backlog_records"));
  return server;
}

int64_t number_of(const Stock& stock, std::string_view name) {
  const auto number = base::parse_integer(value_in(stock, name));
  return number ? *number : 0;
}

// The items that are asked for, or all.
Status ask_front(const CheckOptions& options, const std::string& config, SaleFacts& facts) {
  const auto target = front_target(config, options.front);
  if (!target) return target.error();
  auto proxy = RedisConnection::connect(*target, "the proxy");
  if (!proxy) return proxy.error();
  const auto names =
      options.items.empty() ? list_items(*proxy) : Result<std::vector<std::string>>(options.items);
  if (!names) return names.error();
  const auto stocks = read_stocks(*proxy, *names);
  if (!stocks) return stocks.error();
  facts.items.clear();
  facts.unknown = options.items;
  for (const Stock& stock : *stocks) {
    ReadyItem& item = facts.items.emplace_back();
    item.name = value_in(stock, "item");
    item.stock = number_of(stock, "stock");
    item.sold = number_of(stock, "sold");
    item.start_ms = number_of(stock, "start");
    item.end_ms = number_of(stock, "end");
    item.is_open = value_in(stock, "state") == "open";
    std::erase(facts.unknown, item.name);
  }
  return {};
}

Status ask_items_table(const sql::ConnectOptions& options, SaleFacts& facts) {
  sql::Connection connection;
  std::vector<sql::Row> rows;
  auto failure = connection.connect(options);
  if (!failure) failure = connection.query("SELECT item_id, stock, sold FROM items", rows);
  if (failure) return failure->error();
  std::map<std::string, ReadyItem::Row> found;
  for (const sql::Row& row : rows) {
    const auto stock = base::parse_integer(row[1].value_or("0"));
    const auto sold = base::parse_integer(row[2].value_or("0"));
    found[row[0].value_or("")] = {stock ? *stock : 0, sold ? *sold : 0};
  }
  for (ReadyItem& item : facts.items) {
    const auto row = found.find(item.name);
    if (row != found.end()) item.row = row->second;
  }
  return {};
}

void look_at_items(const CheckOptions& options, SaleFacts& facts) {
  for (int look = 0; look < kStockLooks; ++look) {
    if (look > 0) std::this_thread::sleep_for(kStockLookInterval);
    facts.front_trouble.clear();
    facts.items_trouble.clear();
    if (const Status told = ask_front(options, facts.gathered.proxies.front().path, facts); !told)
      facts.front_trouble = told.error().message();
    for (const doctor::MysqlFacts& mysql : facts.gathered.databases) {
      if (const Status told = ask_items_table(mysql.options, facts); !told)
        facts.items_trouble = told.error().message();
    }
    if (!facts.front_trouble.empty() || !facts.items_trouble.empty()) return;
    if (std::all_of(facts.items.begin(), facts.items.end(),
                    [](const ReadyItem& item) { return item.agrees(); }))
      return;
  }
}

Result<SaleFacts> gather_sale(const CheckOptions& options) {
  SaleFacts facts;
  auto gathered = doctor::gather(options.configs);
  if (!gathered) return gathered.error();
  facts.gathered = std::move(*gathered);
  if (facts.gathered.unusable.empty() &&
      (facts.gathered.proxies.empty() || facts.gathered.flushers.empty())) {
    return base::invalid(
        "--config: give the files of all proxies and of their flushers, for example --config "
        "conf/proxy.toml --config conf/flusher.toml");
  }
  if (!facts.gathered.proxies.empty()) look_at_items(options, facts);
  // Afterwards: whether records wait explains what the items differ in.
  AdminOptions admin;
  for (const auto& proxy : facts.gathered.proxies) admin.configs.push_back(proxy.path);
  for (const auto& flusher : facts.gathered.flushers) admin.configs.push_back(flusher.path);
  if (!admin.configs.empty()) {
    const auto targets = admin_targets(admin);
    if (!targets) return targets.error();
    for (const AdminTarget& target : *targets) facts.servers.push_back(look_at_server(target));
  }
  facts.now_ms = base::wall_ms();
  return facts;
}

void print_check(const SaleFacts& facts, const doctor::Findings& findings, bool as_json) {
  namespace json = boost::json;
  if (as_json) {
    json::array list;
    for (const doctor::Finding& one : findings) {
      const bool is_error = one.severity == doctor::Severity::kError;
      list.push_back(json::object{{"severity", is_error ? "error" : "warning"},
                                  {"where", one.where},
                                  {"what", one.what},
                                  {"remedy", one.remedy}});
    }
    const json::object object{{"findings", list},
                              {"items", facts.items.size()},
                              {"orders_expected", facts.orders()},
                              {"journal_order_bytes", facts.order_bytes()}};
    std::printf("%s\n", json::serialize(object).c_str());
    return;
  }
  for (const doctor::Finding& one : findings) {
    std::printf("%-8s %s: %s\n         do: %s\n",
                one.severity == doctor::Severity::kError ? "error" : "warning", one.where.c_str(),
                one.what.c_str(), one.remedy.c_str());
  }
  std::printf("%s: looked at %s, of which %s units are left\n",
              findings.empty() ? "nothing found" : plural(findings.size(), "finding").c_str(),
              plural(facts.items.size(), "item").c_str(), grouped(facts.orders()).c_str());
}

int check_sale(const CheckOptions& options) {
  const auto facts = gather_sale(options);
  if (!facts) {
    std::fprintf(stderr, "sale: %s\n", facts.error().message().c_str());
    return kBadArguments;
  }
  const doctor::Findings findings = examine_sale(*facts);
  print_check(*facts, findings, options.json);
  return findings.empty() ? kDone : kFailed;
}

}  // namespace

void add_check_command(base::CommandLine& line) {
  const auto options = std::make_shared<CheckOptions>();
  auto& command = line.command("check", "before a sale: what would stand in its way");
  command.option("ITEM", &options->items, "look at these items only");
  command
      .option("--config", &options->configs,
              "a proxy.toml or flusher.toml; give those of all proxies and flushers of the sale")
      .required()
      .type_name("FILE")
      .one_value_each();
  add_front_options(command, options->front);
  command.flag("--json", &options->json, "print one JSON object");
  command.footer("Exit codes: 0 nothing found; 1 findings; 2 bad arguments.");
  command.does([options] { return check_sale(*options); });
}

}  // namespace sluice::ctl
