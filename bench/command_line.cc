#include "bench/command_line.h"

#include <CLI/CLI.hpp>
#include <memory>

#include "bench/scenarios.h"

namespace sluice::bench {
namespace {

struct LoadText {
  double duration_s = 0;
  double patience_s = 60;
  bool quiet = false;
};

void add_load_options(CLI::App& app, LoadOptions& load, LoadText& text) {
  app.add_option("--address", load.address, "host:port or /path/to/socket")->capture_default_str();
  app.add_option("--connections", load.connections, "client connections")
      ->check(CLI::Range(1, 100'000))
      ->capture_default_str();
  app.add_option("--pipeline", load.pipeline, "requests in flight per connection")
      ->check(CLI::Range(1, 100'000))
      ->capture_default_str();
  app.add_option("--rate", load.rate_per_s,
                 "requests a second, sent when due whatever the server does (open loop); 0: as "
                 "fast as the replies come")
      ->check(CLI::Range(0.0, 1e8))
      ->capture_default_str();
  app.add_option("--requests", load.requests, "stop after so many requests; 0: by time");
  app.add_option("--duration", text.duration_s,
                 "stop sending after so many seconds (default 10, or 600 if the number of "
                 "requests is given)")
      ->check(CLI::Range(0.001, 86'400.0));
  app.add_option("--patience", text.patience_s,
                 "seconds to wait for replies after the last request")
      ->check(CLI::Range(0.0, 86'400.0))
      ->capture_default_str();
  app.add_flag("--resp3", load.resp3, "open every connection with HELLO 3");
  app.add_flag("--quiet", text.quiet, "no progress lines");
}

void add_sale_options(CLI::App& app, SaleArguments& sale) {
  app.add_option("--item", sale.item, "item to sell (default: a new one)");
  app.add_option("--stock", sale.stock, "units to sell")
      ->check(CLI::Range(int64_t{1}, int64_t{2'147'483'647}))
      ->capture_default_str();
  app.add_option("--limit", sale.limit, "units a buyer; 0: no limit")
      ->check(CLI::Range(int64_t{0}, int64_t{2'147'483'647}))
      ->capture_default_str();
  app.add_option("--buyers", sale.buyers, "buyers, taking turns; 0: each purchase is a new one");
  app.add_option("--repeat", sale.repeat, "times that each purchase is asked, with the same REQ")
      ->check(CLI::Range(1, 1'000))
      ->capture_default_str();
  app.add_flag("--json", sale.json, "the report as one JSON object");
}

void add_popularity(CLI::App& app, SaleArguments& sale) {
  app.add_option("--items", sale.items, "items to sell, each with the whole stock")
      ->check(CLI::Range(1, 9'999))
      ->capture_default_str();
  app.add_option("--zipf", sale.zipf,
                 "their popularity: item k is wanted in proportion to 1 / k^zipf; 0: all alike")
      ->check(CLI::Range(0.0, 10.0))
      ->capture_default_str();
}

void add_database_options(CLI::App& app, MysqlArguments& arguments) {
  sql::ConnectOptions& database = arguments.database;
  app.add_option("--host", database.host, "of MySQL")->capture_default_str();
  app.add_option("--port", database.port, "of MySQL")->capture_default_str();
  app.add_option("--socket", database.unix_socket, "instead of host and port");
  app.add_option("--user", database.user, "account")->required();
  app.add_option("--password-file", arguments.password_file, "file with its password");
  app.add_option("--database", database.database, "where the tables are, or are made")->required();
  app.add_option("--connections", arguments.connections, "connections, each with a thread")
      ->check(CLI::Range(1, 1'000))
      ->capture_default_str();
  app.add_flag("--json", arguments.json, "the result as one JSON object");
}

// Of the scenarios that start servers of their own.
void add_private_servers(CLI::App& app, std::string& folder, std::string& bin_folder, bool& json) {
  app.add_option("--folder", folder, "where the servers keep their data meanwhile; on a real disk")
      ->check(CLI::ExistingDirectory)
      ->capture_default_str();
  app.add_option("--bin", bin_folder, "folder of Sluice's programs (default: where this one is)");
  app.add_flag("--json", json, "the result as one JSON object");
}

void finish(LoadOptions& load, const LoadText& text, bool counted) {
  const double duration_s = text.duration_s > 0 ? text.duration_s : counted ? 600 : 10;
  load.duration_us = static_cast<int64_t>(duration_s * 1e6);
  load.patience_us = static_cast<int64_t>(text.patience_s * 1e6);
  load.progress = !text.quiet;
}

void add_sale(CLI::App& app, int& code) {
  const auto sale = std::make_shared<SaleArguments>();
  const auto text = std::make_shared<LoadText>();
  sale->load.address = "127.0.0.1:6479";
  CLI::App* command = app.add_subcommand("sale", "a flash sale through Sluice (SECKILL.BUY)");
  add_load_options(*command, sale->load, *text);
  add_sale_options(*command, *sale);
  add_popularity(*command, *sale);
  command->add_flag("--create,!--no-create", sale->create, "create the items first (default)");
  command->add_flag("--req,!--no-req", sale->with_req, "send a REQ with each purchase (default)");
  command->add_flag("--retry", sale->load.retry,
                    "send again, with the same REQ, what got no reply or a passing error");
  command->add_option("--acked", sale->acked_path,
                      "file for every acknowledged purchase: user, REQ, order_id");
  command->callback([=, &code] {
    finish(sale->load, *text, sale->load.requests > 0 || sale->buyers > 0);
    code = sale_scenario(*sale);
  });
}

void add_refusals(CLI::App& app, int& code) {
  const auto sale = std::make_shared<SaleArguments>();
  const auto text = std::make_shared<LoadText>();
  sale->load.address = "127.0.0.1:6479";
  sale->load.pipeline = 16;
  sale->stock = 10'000;
  CLI::App* command = app.add_subcommand(
      "refusals",
      "what Sluice refuses once an item is sold out: sells it out, then goes on asking");
  add_load_options(*command, sale->load, *text);
  command->add_option("--item", sale->item, "item to sell out (default: a new one)");
  command->add_option("--stock", sale->stock, "units, sold before the figures begin")
      ->check(CLI::Range(int64_t{1}, int64_t{10'000'000}))
      ->capture_default_str();
  command->add_flag("--json", sale->json, "the report as one JSON object");
  command->callback([=, &code] {
    finish(sale->load, *text, sale->load.requests > 0);
    code = refusals_scenario(*sale);
  });
}

void add_diy(CLI::App& app, int& code) {
  const auto sale = std::make_shared<SaleArguments>();
  const auto text = std::make_shared<LoadText>();
  CLI::App* command = app.add_subcommand(
      "diy", "the same load on a plain Redis: one EVALSHA a purchase, orders into a stream");
  add_load_options(*command, sale->load, *text);
  add_sale_options(*command, *sale);
  command->add_flag("--stream,!--no-stream", sale->stream, "XADD each order (default)");
  command->callback([=, &code] {
    finish(sale->load, *text, sale->load.requests > 0 || sale->buyers > 0);
    code = diy_scenario(*sale);
  });
}

void add_passthrough(CLI::App& app, int& code) {
  const auto pass = std::make_shared<PassthroughArguments>();
  const auto text = std::make_shared<LoadText>();
  CLI::App* command =
      app.add_subcommand("passthrough", "GET or SET, through Sluice, another proxy or direct");
  add_load_options(*command, pass->load, *text);
  command->add_option("--command", pass->command, "get or set")
      ->check(CLI::IsMember({"get", "set"}))
      ->capture_default_str();
  command->add_option("--keys", pass->keys, "different keys")
      ->check(CLI::Range(1, 99'999'999))
      ->capture_default_str();
  command->add_option("--value-bytes", pass->value_bytes, "size of a value")
      ->check(CLI::Range(0, 1 << 20))
      ->capture_default_str();
  command->add_flag("--json", pass->json, "the report as one JSON object");
  command->callback([=, &code] {
    finish(pass->load, *text, pass->load.requests > 0);
    code = passthrough_scenario(*pass);
  });
}

void add_mysql(CLI::App& app, int& code) {
  const auto arguments = std::make_shared<MysqlArguments>();
  CLI::App* command = app.add_subcommand(
      "mysql",
      "the same sale in MySQL alone: UPDATE stock, INSERT the order, COMMIT; in tables of "
      "its own, sluice_bench_*");
  add_database_options(*command, *arguments);
  command->add_option("--stock", arguments->stock, "units to sell")
      ->check(CLI::Range(int64_t{1}, int64_t{2'147'483'647}))
      ->capture_default_str();
  command->add_option("--duration", arguments->duration_s, "seconds")
      ->check(CLI::Range(0.001, 86'400.0))
      ->capture_default_str();
  command->callback([=, &code] { code = mysql_scenario(*arguments); });
}

void add_rows(CLI::App& app, int& code) {
  const auto arguments = std::make_shared<MysqlArguments>();
  arguments->connections = 2;
  CLI::App* command = app.add_subcommand(
      "rows",
      "rows into Sluice's orders table without Sluice, to compare its drain with; they stay");
  add_database_options(*command, *arguments);
  command->add_option("--method", arguments->method, "insert, or load-data over one connection")
      ->check(CLI::IsMember({"insert", "load-data"}))
      ->capture_default_str();
  command->add_option("--rows", arguments->rows, "rows in all")
      ->check(CLI::Range(1, 100'000'000))
      ->capture_default_str();
  command->add_option("--rows-per-statement", arguments->rows_per_statement, "of insert")
      ->check(CLI::Range(1, 100'000))
      ->capture_default_str();
  command
      ->add_option("--folder", arguments->folder,
                   "for the file of load-data; the server must be able to read it there")
      ->check(CLI::ExistingDirectory)
      ->capture_default_str();
  command->callback([=, &code] { code = rows_scenario(*arguments); });
}

void add_compare(CLI::App& app, int& code) {
  const auto arguments = std::make_shared<CompareArguments>();
  CLI::App* compare = app.add_subcommand(
      "compare", "the whole table: Sluice beside what one would build instead, on private servers");
  auto& options = arguments->table;
  compare->add_flag_callback(
      "--quick", [&options] { options.effort = table::quick_effort(); },
      "one round of short runs: under two minutes, rough figures");
  compare->add_option("--rounds", options.effort.rounds, "runs of each kind; medians are printed")
      ->check(CLI::Range(1, 100))
      ->capture_default_str();
  compare->add_option("--run-seconds", options.effort.run_s, "seconds of load in a run")
      ->check(CLI::Range(0.1, 60.0))
      ->capture_default_str();
  compare->add_option("--run-requests", options.effort.run_requests, "purchases in a run, at most")
      ->check(CLI::Range(1'000, 100'000'000))
      ->capture_default_str();
  compare->add_option("--drain-rows", options.effort.drain_rows, "backlog of a drain")
      ->check(CLI::Range(1'000, 10'000'000))
      ->capture_default_str();
  compare
      ->add_option("--startup-records", options.effort.startup_records,
                   "undrained records that a start finds")
      ->check(CLI::Range(1'000, 100'000'000))
      ->capture_default_str();
  compare
      ->add_option("--orders-max", options.effort.orders_max,
                   "orders in the item of the largest sale")
      ->check(CLI::Range(10'000, 100'000'000))
      ->capture_default_str();
  std::string names;
  for (const table::MeasureKind& kind : table::measures()) {
    names += std::string("\n") + kind.name + ": " + kind.what;
  }
  compare->add_option("--only", options.only, "these measures alone, by name:" + names);
  add_private_servers(*compare, options.stack.folder, options.stack.bin_folder, arguments->json);
  compare->add_option("--proxy-set", options.stack.proxy_set, "key=value for the proxy's --set");
  compare->add_option("--flusher-set", options.stack.flusher_set,
                      "key=value for the flusher's --set");
  compare->add_flag("--markdown", arguments->markdown, "the tables for a page of documentation");
  compare->callback([=, &code] { code = compare_scenario(*arguments); });
}

void add_startup(CLI::App& app, int& code) {
  const auto arguments = std::make_shared<StartupArguments>();
  CLI::App* startup = app.add_subcommand(
      "startup",
      "how long the proxy takes to start, and to rebuild an empty Redis, with a long "
      "history; on private servers");
  auto& options = arguments->startup;
  startup->add_option("--drained", options.drained, "purchases in the journal that are in MySQL")
      ->check(CLI::Range(uint64_t{0}, uint64_t{1'000'000'000}))
      ->capture_default_str();
  startup->add_option("--undrained", options.undrained, "purchases behind them that are not")
      ->check(CLI::Range(uint64_t{0}, uint64_t{1'000'000'000}))
      ->capture_default_str();
  startup->add_option("--items", options.items, "items that they are spread over")
      ->check(CLI::Range(1, 100'000))
      ->capture_default_str();
  add_private_servers(*startup, options.folder, options.bin_folder, arguments->json);
  startup->callback([=, &code] { code = startup_scenario(*arguments); });
}

void add_abuse(CLI::App& app, int& code) {
  const auto arguments = std::make_shared<AbuseArguments>();
  CLI::App* abuse = app.add_subcommand(
      "abuse",
      "what abusive clients cost the others: their latency without and with each kind; on "
      "private servers");
  auto& options = arguments->abuse;
  abuse->add_option("--rounds", options.rounds, "runs without and with; medians are printed")
      ->check(CLI::Range(1, 100))
      ->capture_default_str();
  abuse->add_option("--run-seconds", options.run_s, "seconds of each run")
      ->check(CLI::Range(0.1, 600.0))
      ->capture_default_str();
  abuse->add_option("--connections", options.connections, "well-behaved clients")
      ->check(CLI::Range(1, 10'000))
      ->capture_default_str();
  abuse->add_option("--rate", options.rate_per_s, "their requests a second in all")
      ->check(CLI::Range(1.0, 1e6))
      ->capture_default_str();
  add_private_servers(*abuse, options.stack.folder, options.stack.bin_folder, arguments->json);
  abuse->add_option("--proxy-set", options.stack.proxy_set, "key=value for the proxy's --set");
  abuse->callback([=, &code] { code = abuse_scenario(*arguments); });
}

}  // namespace

int run_command_line(int argc, char** argv) {
  CLI::App app("Load generator and side-by-side benchmark of Sluice.", "sluice-bench");
  app.require_subcommand(1);
  app.set_version_flag("--version", "sluice-bench " SLUICE_VERSION);
  int code = 0;  // left by the scenario that is chosen, which runs at the end of app.parse()
  for (const auto add : {add_sale, add_refusals, add_diy, add_mysql, add_passthrough, add_rows,
                         add_compare, add_startup, add_abuse}) {
    add(app, code);
  }
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  return code;
}

}  // namespace sluice::bench
