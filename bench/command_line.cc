#include "bench/command_line.h"

#include <memory>

#include "base/command_line.h"
#include "bench/scenarios.h"

namespace sluice::bench {
namespace {

using base::CommandLine;

struct LoadText {
  double duration_s = 0;
  double patience_s = 60;
  bool quiet = false;
};

void add_load_options(CommandLine& line, LoadOptions& load, LoadText& text) {
  line.option("--address", &load.address, "host:port or /path/to/socket").show_default();
  line.option("--connections", &load.connections, "client connections")
      .between(1, 100'000)
      .show_default();
  line.option("--pipeline", &load.pipeline, "requests in flight per connection")
      .between(1, 100'000)
      .show_default();
  line.option("--rate", &load.rate_per_s,
              "requests a second, sent when due whatever the server does (open loop); 0: as "
              "fast as the replies come")
      .between(0.0, 1e8)
      .show_default();
  line.option("--requests", &load.requests, "stop after so many requests; 0: by time");
  line.option("--duration", &text.duration_s,
              "stop sending after so many seconds (default 10, or 600 if the number of "
              "requests is given)")
      .between(0.001, 86'400.0);
  line.option("--patience", &text.patience_s, "seconds to wait for replies after the last request")
      .between(0.0, 86'400.0)
      .show_default();
  line.flag("--resp3", &load.resp3, "open every connection with HELLO 3");
  line.flag("--quiet", &text.quiet, "no progress lines");
}

void add_sale_options(CommandLine& line, SaleArguments& sale) {
  line.option("--item", &sale.item, "item to sell (default: a new one)");
  line.option("--stock", &sale.stock, "units to sell").between(1, 2'147'483'647).show_default();
  line.option("--limit", &sale.limit, "units a buyer; 0: no limit")
      .between(0, 2'147'483'647)
      .show_default();
  line.option("--buyers", &sale.buyers, "buyers, taking turns; 0: each purchase is a new one");
  line.option("--repeat", &sale.repeat, "times that each purchase is asked, with the same REQ")
      .between(1, 1'000)
      .show_default();
  line.flag("--json", &sale.json, "the report as one JSON object");
}

void add_popularity(CommandLine& line, SaleArguments& sale) {
  line.option("--items", &sale.items, "items to sell, each with the whole stock")
      .between(1, 9'999)
      .show_default();
  line.option("--zipf", &sale.zipf,
              "their popularity: item k is wanted in proportion to 1 / k^zipf; 0: all alike")
      .between(0.0, 10.0)
      .show_default();
}

void add_database_options(CommandLine& line, MysqlArguments& arguments) {
  sql::ConnectOptions& database = arguments.database;
  line.option("--host", &database.host, "of MySQL").show_default();
  line.option("--port", &database.port, "of MySQL").show_default();
  line.option("--socket", &database.unix_socket, "instead of host and port");
  line.option("--user", &database.user, "account").required();
  line.flag("--allow-public-key-retrieval", &database.allow_public_key_retrieval,
            "log in to MySQL without TLS, as mysql.allow_public_key_retrieval of flusher.toml");
  line.option("--password-file", &arguments.password_file, "file with its password");
  line.option("--database", &database.database, "where the tables are, or are made").required();
  line.option("--connections", &arguments.connections, "connections, each with a thread")
      .between(1, 1'000)
      .show_default();
  line.flag("--json", &arguments.json, "the result as one JSON object");
}

// Of the scenarios that start servers of their own.
void add_private_servers(CommandLine& line, std::string& folder, std::string& bin_folder,
                         bool& json) {
  line.option("--folder", &folder, "where the servers keep their data meanwhile; on a real disk")
      .existing_folder()
      .show_default();
  line.option("--bin", &bin_folder, "folder of Sluice's programs (default: where this one is)");
  line.flag("--json", &json, "the result as one JSON object");
}

void finish(LoadOptions& load, const LoadText& text, bool counted) {
  const double duration_s = text.duration_s > 0 ? text.duration_s : counted ? 600 : 10;
  load.duration_us = static_cast<int64_t>(duration_s * 1e6);
  load.patience_us = static_cast<int64_t>(text.patience_s * 1e6);
  load.progress = !text.quiet;
}

void add_sale(CommandLine& line) {
  const auto sale = std::make_shared<SaleArguments>();
  const auto text = std::make_shared<LoadText>();
  sale->load.address = "127.0.0.1:6479";
  CommandLine& command = line.command("sale", "a flash sale through Sluice (SECKILL.BUY)");
  add_load_options(command, sale->load, *text);
  add_sale_options(command, *sale);
  add_popularity(command, *sale);
  command.flag("--create,!--no-create", &sale->create, "create the items first (default)");
  command.flag("--req,!--no-req", &sale->with_req, "send a REQ with each purchase (default)");
  command.flag("--retry", &sale->load.retry,
               "send again, with the same REQ, what got no reply or a passing error");
  command.option("--acked", &sale->acked_path,
                 "file for every acknowledged purchase: user, REQ, order_id");
  command.does([=] {
    finish(sale->load, *text, sale->load.requests > 0 || sale->buyers > 0);
    return sale_scenario(*sale);
  });
}

void add_refusals(CommandLine& line) {
  const auto sale = std::make_shared<SaleArguments>();
  const auto text = std::make_shared<LoadText>();
  sale->load.address = "127.0.0.1:6479";
  sale->load.pipeline = 16;
  sale->stock = 10'000;
  CommandLine& command = line.command(
      "refusals",
      "what Sluice refuses once an item is sold out: sells it out, then goes on asking");
  add_load_options(command, sale->load, *text);
  command.option("--item", &sale->item, "item to sell out (default: a new one)");
  command.option("--stock", &sale->stock, "units, sold before the figures begin")
      .between(1, 10'000'000)
      .show_default();
  command.flag("--json", &sale->json, "the report as one JSON object");
  command.does([=] {
    finish(sale->load, *text, sale->load.requests > 0);
    return refusals_scenario(*sale);
  });
}

void add_diy(CommandLine& line) {
  const auto sale = std::make_shared<SaleArguments>();
  const auto text = std::make_shared<LoadText>();
  CommandLine& command = line.command(
      "diy", "the same load on a plain Redis: one EVALSHA a purchase, orders into a stream");
  add_load_options(command, sale->load, *text);
  add_sale_options(command, *sale);
  command.flag("--stream,!--no-stream", &sale->stream, "XADD each order (default)");
  command.does([=] {
    finish(sale->load, *text, sale->load.requests > 0 || sale->buyers > 0);
    return diy_scenario(*sale);
  });
}

void add_passthrough(CommandLine& line) {
  const auto pass = std::make_shared<PassthroughArguments>();
  const auto text = std::make_shared<LoadText>();
  CommandLine& command =
      line.command("passthrough", "GET or SET, through Sluice, another proxy or direct");
  add_load_options(command, pass->load, *text);
  command.option("--command", &pass->command, "get or set").one_of({"get", "set"}).show_default();
  command.option("--keys", &pass->keys, "different keys").between(1, 99'999'999).show_default();
  command.option("--value-bytes", &pass->value_bytes, "size of a value")
      .between(0, 1 << 20)
      .show_default();
  command.flag("--json", &pass->json, "the report as one JSON object");
  command.does([=] {
    finish(pass->load, *text, pass->load.requests > 0);
    return passthrough_scenario(*pass);
  });
}

void add_mysql(CommandLine& line) {
  const auto arguments = std::make_shared<MysqlArguments>();
  CommandLine& command = line.command(
      "mysql",
      "the same sale in MySQL alone: UPDATE stock, INSERT the order, COMMIT; in tables of "
      "its own, sluice_bench_*");
  add_database_options(command, *arguments);
  command.option("--stock", &arguments->stock, "units to sell")
      .between(1, 2'147'483'647)
      .show_default();
  command.option("--duration", &arguments->duration_s, "seconds")
      .between(0.001, 86'400.0)
      .show_default();
  command.does([=] { return mysql_scenario(*arguments); });
}

void add_rows(CommandLine& line) {
  const auto arguments = std::make_shared<MysqlArguments>();
  arguments->connections = 2;
  CommandLine& command = line.command(
      "rows",
      "rows into Sluice's orders table without Sluice, to compare its drain with; they stay");
  add_database_options(command, *arguments);
  command.option("--method", &arguments->method, "insert, or load-data over one connection")
      .one_of({"insert", "load-data"})
      .show_default();
  command.option("--rows", &arguments->rows, "rows in all").between(1, 100'000'000).show_default();
  command.option("--rows-per-statement", &arguments->rows_per_statement, "of insert")
      .between(1, 100'000)
      .show_default();
  command
      .option("--folder", &arguments->folder,
              "for the file of load-data; the server must be able to read it there")
      .existing_folder()
      .show_default();
  command.does([=] { return rows_scenario(*arguments); });
}

void add_compare(CommandLine& line) {
  const auto arguments = std::make_shared<CompareArguments>();
  CommandLine& compare = line.command(
      "compare", "the whole table: Sluice beside what one would build instead, on private servers");
  auto& options = arguments->table;
  compare.flag(
      "--quick", [&options] { options.effort = table::quick_effort(); },
      "one round of short runs: under two minutes, rough figures");
  compare.option("--rounds", &options.effort.rounds, "runs of each kind; medians are printed")
      .between(1, 100)
      .show_default();
  compare.option("--run-seconds", &options.effort.run_s, "seconds of load in a run")
      .between(0.1, 60.0)
      .show_default();
  compare.option("--run-requests", &options.effort.run_requests, "purchases in a run, at most")
      .between(1'000, 100'000'000)
      .show_default();
  compare.option("--drain-rows", &options.effort.drain_rows, "backlog of a drain")
      .between(1'000, 10'000'000)
      .show_default();
  compare
      .option("--startup-records", &options.effort.startup_records,
              "undrained records that a start finds")
      .between(1'000, 100'000'000)
      .show_default();
  compare
      .option("--orders-max", &options.effort.orders_max, "orders in the item of the largest sale")
      .between(10'000, 100'000'000)
      .show_default();
  std::string names;
  for (const table::MeasureKind& kind : table::measures()) {
    names += std::string("\n") + kind.name + ": " + kind.what;
  }
  compare.option("--only", &options.only, "these measures alone, by name:" + names);
  add_private_servers(compare, options.stack.folder, options.stack.bin_folder, arguments->json);
  compare.option("--proxy-set", &options.stack.proxy_set, "key=value for the proxy's --set");
  compare.option("--flusher-set", &options.stack.flusher_set, "key=value for the flusher's --set");
  compare.flag("--markdown", &arguments->markdown, "the tables for a page of documentation");
  compare.does([=] { return compare_scenario(*arguments); });
}

void add_startup(CommandLine& line) {
  const auto arguments = std::make_shared<StartupArguments>();
  CommandLine& startup =
      line.command("startup",
                   "how long the proxy takes to start, and to rebuild an empty Redis, with a long "
                   "history; on private servers");
  auto& options = arguments->startup;
  startup.option("--drained", &options.drained, "purchases in the journal that are in MySQL")
      .between(uint64_t{0}, uint64_t{1'000'000'000})
      .show_default();
  startup.option("--undrained", &options.undrained, "purchases behind them that are not")
      .between(uint64_t{0}, uint64_t{1'000'000'000})
      .show_default();
  startup.option("--items", &options.items, "items that they are spread over")
      .between(1, 100'000)
      .show_default();
  add_private_servers(startup, options.folder, options.bin_folder, arguments->json);
  startup.does([=] { return startup_scenario(*arguments); });
}

void add_abuse(CommandLine& line) {
  const auto arguments = std::make_shared<AbuseArguments>();
  CommandLine& abuse = line.command(
      "abuse",
      "what abusive clients cost the others: their latency without and with each kind; on "
      "private servers");
  auto& options = arguments->abuse;
  abuse.option("--rounds", &options.rounds, "runs without and with; medians are printed")
      .between(1, 100)
      .show_default();
  abuse.option("--run-seconds", &options.run_s, "seconds of each run")
      .between(0.1, 600.0)
      .show_default();
  abuse.option("--connections", &options.connections, "well-behaved clients")
      .between(1, 10'000)
      .show_default();
  abuse.option("--rate", &options.rate_per_s, "their requests a second in all")
      .between(1.0, 1e6)
      .show_default();
  add_private_servers(abuse, options.stack.folder, options.stack.bin_folder, arguments->json);
  abuse.option("--proxy-set", &options.stack.proxy_set, "key=value for the proxy's --set");
  abuse.does([=] { return abuse_scenario(*arguments); });
}

}  // namespace

int run_command_line(int argc, char** argv) {
  CommandLine line("Load generator and side-by-side benchmark of Sluice.", "sluice-bench");
  line.version_flag();
  for (const auto add : {add_sale, add_refusals, add_diy, add_mysql, add_passthrough, add_rows,
                         add_compare, add_startup, add_abuse}) {
    add(line);
  }
  return line.run(argc, argv);
}

}  // namespace sluice::bench
