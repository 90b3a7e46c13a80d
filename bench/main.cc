// sluice-bench: the command line of the load generator and of the side-by-side benchmark.
#include <CLI/CLI.hpp>
#include <cstdio>

#include "bench/interrupt.h"
#include "bench/scenarios.h"

namespace {

using sluice::bench::AbuseArguments;
using sluice::bench::CompareArguments;
using sluice::bench::LoadOptions;
using sluice::bench::PassthroughArguments;
using sluice::bench::SaleArguments;
using sluice::bench::StartupArguments;

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

void add_compare(CLI::App& app, CompareArguments& arguments) {
  CLI::App* compare = app.add_subcommand(
      "compare", "Sluice and the do-it-yourself way side by side, on private servers");
  auto& options = arguments.compare;
  compare->add_option("--rounds", options.rounds, "runs of each kind; medians are printed")
      ->check(CLI::Range(1, 100))
      ->capture_default_str();
  compare->add_option("--run-seconds", options.run_s, "seconds of load in a run")
      ->check(CLI::Range(0.1, 60.0))
      ->capture_default_str();
  compare->add_option("--run-requests", options.run_requests, "purchases in a run, at most")
      ->check(CLI::Range(1'000, 100'000'000))
      ->capture_default_str();
  compare->add_option("--drain-rows", options.drain_rows, "backlog of a drain")
      ->check(CLI::Range(1'000, 10'000'000))
      ->capture_default_str();
  compare
      ->add_option("--folder", options.stack.folder,
                   "where the servers keep their data meanwhile; on a real disk")
      ->check(CLI::ExistingDirectory)
      ->capture_default_str();
  compare->add_option("--bin", options.stack.bin_folder,
                      "folder of sluice-proxy and sluice-flusher (default: where this program is)");
  compare->add_option("--proxy-set", options.stack.proxy_set, "key=value for the proxy's --set");
  compare->add_option("--flusher-set", options.stack.flusher_set,
                      "key=value for the flusher's --set");
  compare->add_flag("--quick", arguments.quick,
                    "one short round: under two minutes, rough figures");
  compare->add_flag("--baseline", options.baseline_only, "only what needs no Sluice");
  compare->add_flag("--json", arguments.json, "the result as one JSON object");
}

void add_startup(CLI::App& app, StartupArguments& arguments) {
  CLI::App* startup = app.add_subcommand(
      "startup", "how long the proxy takes to start, and to rebuild an empty Redis, with a long "
                 "history; on private servers");
  auto& options = arguments.startup;
  startup->add_option("--drained", options.drained, "purchases in the journal that are in MySQL")
      ->check(CLI::Range(uint64_t{0}, uint64_t{1'000'000'000}))
      ->capture_default_str();
  startup->add_option("--undrained", options.undrained, "purchases behind them that are not")
      ->check(CLI::Range(uint64_t{0}, uint64_t{1'000'000'000}))
      ->capture_default_str();
  startup->add_option("--items", options.items, "items that they are spread over")
      ->check(CLI::Range(1, 100'000))
      ->capture_default_str();
  startup
      ->add_option("--folder", options.folder,
                   "where journal and Redis keep their data meanwhile; on a real disk")
      ->check(CLI::ExistingDirectory)
      ->capture_default_str();
  startup->add_option("--bin", options.bin_folder,
                      "folder of sluice-proxy (default: where this program is)");
  startup->add_flag("--json", arguments.json, "the result as one JSON object");
}

void add_abuse(CLI::App& app, AbuseArguments& arguments) {
  CLI::App* abuse = app.add_subcommand(
      "abuse", "what abusive clients cost the others: their latency without and with each kind; on "
               "private servers");
  auto& options = arguments.abuse;
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
  abuse->add_option("--folder", options.stack.folder, "where the servers keep their data meanwhile")
      ->check(CLI::ExistingDirectory)
      ->capture_default_str();
  abuse->add_option("--bin", options.stack.bin_folder,
                    "folder of sluice-proxy (default: where this program is)");
  abuse->add_option("--proxy-set", options.stack.proxy_set, "key=value for the proxy's --set");
  abuse->add_flag("--json", arguments.json, "the result as one JSON object");
}

void finish(LoadOptions& load, const LoadText& text, bool counted) {
  const double duration_s = text.duration_s > 0 ? text.duration_s : counted ? 600 : 10;
  load.duration_us = static_cast<int64_t>(duration_s * 1e6);
  load.patience_us = static_cast<int64_t>(text.patience_s * 1e6);
  load.progress = !text.quiet;
}

}  // namespace

int main(int argc, char** argv) {
  sluice::bench::block_interrupts();
  CLI::App app("Load generator and side-by-side benchmark of Sluice.", "sluice-bench");
  app.require_subcommand(1);
  app.set_version_flag("--version", "sluice-bench " SLUICE_VERSION);

  SaleArguments sale;
  LoadText text;
  sale.load.address = "127.0.0.1:6479";
  CLI::App* sale_app = app.add_subcommand("sale", "a flash sale through Sluice (SECKILL.BUY)");
  add_load_options(*sale_app, sale.load, text);
  add_sale_options(*sale_app, sale);
  sale_app->add_flag("--create,!--no-create", sale.create, "create the item first (default)");
  sale_app->add_flag("--req,!--no-req", sale.with_req, "send a REQ with each purchase (default)");
  sale_app->add_flag("--retry", sale.load.retry,
                     "send again, with the same REQ, what got no reply or a passing error");
  sale_app->add_option("--acked", sale.acked_path,
                       "file for every acknowledged purchase: user, REQ, order_id");

  SaleArguments diy;
  LoadText diy_text;
  CLI::App* diy_app = app.add_subcommand(
      "diy", "the same load on a plain Redis: one EVALSHA a purchase, orders into a stream");
  add_load_options(*diy_app, diy.load, diy_text);
  add_sale_options(*diy_app, diy);
  diy_app->add_flag("--stream,!--no-stream", diy.stream, "XADD each order (default)");

  PassthroughArguments pass;
  LoadText pass_text;
  CLI::App* pass_app = app.add_subcommand("passthrough", "GET or SET, through Sluice or direct");
  add_load_options(*pass_app, pass.load, pass_text);
  pass_app->add_option("--command", pass.command, "get or set")
      ->check(CLI::IsMember({"get", "set"}))
      ->capture_default_str();
  pass_app->add_option("--keys", pass.keys, "different keys")
      ->check(CLI::Range(1, 99'999'999))
      ->capture_default_str();
  pass_app->add_option("--value-bytes", pass.value_bytes, "size of a value")
      ->check(CLI::Range(0, 1 << 20))
      ->capture_default_str();
  pass_app->add_flag("--json", pass.json, "the report as one JSON object");

  CompareArguments compare;
  add_compare(app, compare);
  StartupArguments startup;
  add_startup(app, startup);
  AbuseArguments abuse;
  add_abuse(app, abuse);

  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  if (app.got_subcommand("compare")) return sluice::bench::compare_scenario(compare);
  if (app.got_subcommand("startup")) return sluice::bench::startup_scenario(startup);
  if (app.got_subcommand("abuse")) return sluice::bench::abuse_scenario(abuse);
  if (sale_app->parsed()) {
    finish(sale.load, text, sale.load.requests > 0 || sale.buyers > 0);
    return sluice::bench::sale_scenario(sale);
  }
  if (diy_app->parsed()) {
    finish(diy.load, diy_text, diy.load.requests > 0 || diy.buyers > 0);
    return sluice::bench::diy_scenario(diy);
  }
  finish(pass.load, pass_text, pass.load.requests > 0);
  return sluice::bench::passthrough_scenario(pass);
}
