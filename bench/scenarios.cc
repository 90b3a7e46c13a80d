#include "bench/scenarios.h"

#include <unistd.h>

#include <algorithm>
#include <cinttypes>
#include <cstdio>
#include <cstdlib>
#include <filesystem>

#include "base/clock.h"
#include "bench/control.h"
#include "bench/diy_workload.h"
#include "bench/passthrough_workload.h"
#include "bench/report.h"
#include "bench/sale_workload.h"
#include "bench/table/table_report.h"

namespace sluice::bench {
namespace {

constexpr int64_t kSellOutUs = 600'000'000;

int failed(const Error& error) {
  std::fprintf(stderr, "sluice-bench: %s\n", error.message().c_str());
  return error.cls() == ErrorClass::kInvalid ? 2 : 1;
}

void print(bool json, const SaleFacts& facts, const LoadResult& result) {
  const std::string text = json ? report_json(facts, result) : report_text(facts, result);
  std::fwrite(text.data(), 1, text.size(), stdout);
}

// A run of a fixed number of buyers ends when each has had its turns, unless told otherwise.
void complete(SaleArguments& arguments) {
  if (arguments.item.empty()) {
    arguments.item = "sale-" + std::to_string(base::wall_ms()) + "-" + std::to_string(::getpid());
  }
  if (arguments.load.requests == 0) arguments.load.requests = arguments.buyers * arguments.repeat;
}

SaleOptions sale_options(const SaleArguments& arguments) {
  SaleOptions options;
  options.item = arguments.item;
  options.buyers = arguments.buyers;
  options.repeat = arguments.repeat;
  options.with_req = arguments.with_req;
  options.acked_path = arguments.acked_path;
  options.items = arguments.items;
  options.zipf = arguments.zipf;
  return options;
}

// Each with the whole stock.
Status create_items(const SaleArguments& arguments) {
  auto control = Control::connect(arguments.load.address);
  if (!control) return control.error();
  std::string commands;
  const std::vector<std::string> items = sale_items(sale_options(arguments));
  for (const std::string& item : items) {
    const std::string stock = std::to_string(arguments.stock);
    if (arguments.limit > 0) {
      append_command(commands, "SECKILL.CREATE", item, "STOCK", stock, "LIMIT",
                     std::to_string(arguments.limit));
    } else {
      append_command(commands, "SECKILL.CREATE", item, "STOCK", stock);
    }
  }
  return control->pipeline(commands, items.size());
}

int64_t sold_of(const ControlReply& stock) {
  for (size_t i = 0; i + 1 < stock.elements.size(); i += 2) {
    if (stock.elements[i] == "sold") return std::atoll(stock.elements[i + 1].c_str());
  }
  return -1;
}

// What SECKILL.STOCK says was sold of all items; -1 if the server cannot be asked.
int64_t units_sold(const SaleArguments& arguments) {
  auto control = Control::connect(arguments.load.address);
  if (!control) return -1;
  int64_t sum = 0;
  for (const std::string& item : sale_items(sale_options(arguments))) {
    const auto stock = control->command({"SECKILL.STOCK", item});
    const int64_t sold = stock ? sold_of(*stock) : -1;
    if (sold < 0) return -1;
    sum += sold;
  }
  return sum;
}

// What no sale may ever show: more orders than stock, acknowledged orders that the item does not
// know of, a REQ with two orders. Only of an item that this run has created, since others may have
// bought of another.
bool promise_broken(const SaleArguments& arguments, const SaleFacts& facts) {
  const auto orders = static_cast<int64_t>(facts.orders);
  std::string broken;
  if (arguments.create && std::max(orders, facts.sold) > facts.stock) {
    broken = "OVERSOLD: more orders than stock";
  } else if (arguments.create && facts.sold >= 0 && facts.sold < orders) {
    broken = "LOST: the item has sold less than was acknowledged";
  } else if (facts.mismatched > 0) {
    broken = "MISMATCHED: a repeated REQ got another order_id";
  }
  if (broken.empty()) return false;
  std::fprintf(stderr,
               "sluice-bench: %s (stock %" PRId64 ", orders acknowledged %" PRId64
               ", sold by SECKILL.STOCK %" PRId64 ", mismatched %" PRIu64 ")\n",
               broken.c_str(), facts.stock, orders, facts.sold, facts.mismatched);
  return true;
}

// Where this program is, and so are the others that were built with it.
std::string own_folder() {
  std::error_code unknown;
  return std::filesystem::read_symlink("/proc/self/exe", unknown).parent_path().string();
}

bool complete_run(const LoadResult& result) {
  return result.errors.total() == 0 && result.unanswered == 0 && result.lost == 0;
}

}  // namespace

int sale_scenario(SaleArguments arguments) {
  complete(arguments);
  if (arguments.create) {
    if (const Status created = create_items(arguments); !created) return failed(created.error());
  }
  auto workload = SaleWorkload::create(sale_options(arguments));
  if (!workload) return failed(workload.error());
  const auto result = run_load(arguments.load, **workload);
  if (!result) return failed(result.error());
  const SaleFacts facts{"sale",
                        "of " + arguments.item + " at " + arguments.load.address,
                        (*workload)->orders(),
                        (*workload)->mismatched(),
                        arguments.create ? arguments.stock * arguments.items : -1,
                        units_sold(arguments)};
  print(arguments.json, facts, *result);
  if (const Status closed = (*workload)->close_acked(); !closed) return failed(closed.error());
  if (promise_broken(arguments, facts)) return 1;
  return arguments.load.retry || complete_run(*result) ? 0 : 1;
}

int diy_scenario(SaleArguments arguments) {
  complete(arguments);
  auto workload =
      DiyWorkload::create({arguments.load.address, arguments.item, arguments.stock, arguments.limit,
                           arguments.buyers, arguments.repeat, arguments.stream});
  if (!workload) return failed(workload.error());
  const auto result = run_load(arguments.load, **workload);
  if (!result) return failed(result.error());
  const std::string what = arguments.stream ? "with a stream" : "without a stream";
  print(arguments.json,
        {"diy", what + " at " + arguments.load.address, result->accepted, 0, arguments.stock},
        *result);
  if (const Status cleaned = (*workload)->clean_up(); !cleaned) return failed(cleaned.error());
  return complete_run(*result) ? 0 : 1;
}

// Sells the stock out first, then counts what is refused.
int refusals_scenario(SaleArguments arguments) {
  complete(arguments);
  if (const Status created = create_items(arguments); !created) return failed(created.error());
  SaleOptions options = sale_options(arguments);
  auto first = SaleWorkload::create(options);
  if (!first) return failed(first.error());
  LoadOptions selling = arguments.load;
  selling.rate_per_s = 0;
  selling.requests = static_cast<uint64_t>(arguments.stock);
  selling.duration_us = kSellOutUs;
  const auto sold = run_load(selling, **first);
  if (!sold) return failed(sold.error());
  options.first_buyer = selling.requests;
  auto workload = SaleWorkload::create(options);
  if (!workload) return failed(workload.error());
  const auto result = run_load(arguments.load, **workload);
  if (!result) return failed(result.error());
  const SaleFacts facts{"refusals",
                        "of " + arguments.item + " at " + arguments.load.address,
                        (*first)->orders() + (*workload)->orders(),
                        0,
                        arguments.stock,
                        units_sold(arguments)};
  print(arguments.json, facts, *result);
  if (promise_broken(arguments, facts)) return 1;
  return complete_run(*result) ? 0 : 1;
}

int passthrough_scenario(const PassthroughArguments& arguments) {
  auto workload = PassthroughWorkload::create(
      {arguments.load.address, arguments.command == "set", arguments.keys, arguments.value_bytes});
  if (!workload) return failed(workload.error());
  const auto result = run_load(arguments.load, **workload);
  if (!result) return failed(result.error());
  print(arguments.json, {arguments.command, "at " + arguments.load.address, 0, 0, -1}, *result);
  return complete_run(*result) ? 0 : 1;
}

int compare_scenario(CompareArguments arguments) {
  table::TableOptions& options = arguments.table;
  if (options.stack.bin_folder.empty()) options.stack.bin_folder = own_folder();
  const auto result = table::measure_table(options);
  if (!result) return failed(result.error());
  const std::string text = arguments.json       ? table::table_json(*result)
                           : arguments.markdown ? table::table_markdown(*result)
                                                : table::table_text(*result);
  std::fwrite(text.data(), 1, text.size(), stdout);
  return 0;
}

int startup_scenario(StartupArguments arguments) {
  StartupOptions& options = arguments.startup;
  if (options.bin_folder.empty()) options.bin_folder = own_folder();
  const auto result = measure_startup(options);
  if (!result) return failed(result.error());
  const std::string text =
      arguments.json ? startup_json(options, *result) : startup_text(options, *result);
  std::fwrite(text.data(), 1, text.size(), stdout);
  return 0;
}

int abuse_scenario(AbuseArguments arguments) {
  AbuseOptions& options = arguments.abuse;
  if (options.stack.bin_folder.empty()) options.stack.bin_folder = own_folder();
  const auto result = measure_abuse(options);
  if (!result) return failed(result.error());
  const std::string text =
      arguments.json ? abuse_json(options, *result) : abuse_text(options, *result);
  std::fwrite(text.data(), 1, text.size(), stdout);
  return 0;
}

}  // namespace sluice::bench
