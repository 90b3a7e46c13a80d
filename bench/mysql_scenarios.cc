// The scenarios that ask MySQL alone: a sale in it, and rows into it.
#include <cinttypes>
#include <cstdio>

#include "base/clock.h"
#include "base/secret.h"
#include "bench/insert_loop.h"
#include "bench/load_data.h"
#include "bench/mysql_sale.h"
#include "bench/order_check.h"
#include "bench/scenarios.h"
#include "bench/text.h"

namespace sluice::bench {
namespace {

int failed(const Error& error) {
  std::fprintf(stderr, "sluice-bench: %s\n", error.message().c_str());
  return error.cls() == ErrorClass::kInvalid ? 2 : 1;
}

Status read_password(MysqlArguments& arguments) {
  auto password = base::read_secret("--password-file", arguments.password_file);
  if (!password) return password.error();
  arguments.database.password = std::move(*password);
  return {};
}

}  // namespace

int mysql_scenario(MysqlArguments arguments) {
  if (const Status read = read_password(arguments); !read) return failed(read.error());
  MysqlSaleOptions options;
  options.database = arguments.database;
  options.item = "sale-" + std::to_string(base::wall_ms());
  options.stock = arguments.stock;
  options.connections = arguments.connections;
  options.duration_us = static_cast<int64_t>(arguments.duration_s * 1e6);
  const auto result = run_mysql_sale(options);
  if (!result) return failed(result.error());
  const double rate = static_cast<double>(result->accepted) / result->elapsed_s;
  const int64_t p50 = result->accepted_ns.quantile(0.5), p99 = result->accepted_ns.quantile(0.99);
  if (arguments.json) {
    std::printf("{\"scenario\":\"mysql\",\"accepted\":%" PRIu64 ",\"refused\":%" PRIu64
                ",\"elapsed_s\":%.3f,\"accepted_per_s\":%.1f,\"p50_us\":%.1f,\"p99_us\":%.1f}\n",
                result->accepted, result->refused, result->elapsed_s, rate,
                static_cast<double>(p50) / 1e3, static_cast<double>(p99) / 1e3);
    return 0;
  }
  std::printf(
      "mysql sale at %s, %d connections\n  accepted %14s   %s/s\n  refused  %14s\n"
      "  accepted in     p50 %s  p99 %s\n",
      arguments.database.text().c_str(), arguments.connections,
      with_commas(static_cast<double>(result->accepted)).c_str(), with_commas(rate).c_str(),
      with_commas(static_cast<double>(result->refused)).c_str(), latency_text(p50).c_str(),
      latency_text(p99).c_str());
  return 0;
}

int rows_scenario(MysqlArguments arguments) {
  if (const Status read = read_password(arguments); !read) return failed(read.error());
  if (const Status made = create_tables(arguments.database); !made) return failed(made.error());
  const auto now_ms = static_cast<uint64_t>(base::wall_ms());
  const std::string item = "rows-" + std::to_string(now_ms);
  // Above every order_id of Sluice, and above those of the run before.
  const uint64_t first_order_id = uint64_t{1} << 63 | now_ms << 20;
  const bool load_data = arguments.method == "load-data";
  const auto rate = load_data
                        ? run_load_data({arguments.database, arguments.folder, item, first_order_id,
                                         arguments.rows})
                        : run_insert_loop({arguments.database, item, first_order_id, arguments.rows,
                                           arguments.rows_per_statement, arguments.connections});
  if (!rate) return failed(rate.error());
  if (arguments.json) {
    std::printf("{\"scenario\":\"rows\",\"method\":\"%s\",\"item\":\"%s\",\"rows\":%" PRIu64
                ",\"rows_per_s\":%.1f}\n",
                arguments.method.c_str(), item.c_str(), arguments.rows, *rate);
  } else {
    std::printf("rows into %s, %s: %s/s (they stay there, as item %s)\n",
                arguments.database.text().c_str(), arguments.method.c_str(),
                with_commas(*rate).c_str(), item.c_str());
  }
  return 0;
}

}  // namespace sluice::bench
