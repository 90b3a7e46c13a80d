// A sale without Redis: MySQL decides each purchase in a transaction of its own.
//
// UPDATE stock … WHERE sold < stock; INSERT the order, whose unique key keeps the limit of one a
// buyer; COMMIT. A thread a connection, closed loop. It makes and uses two tables of its own,
// sluice_bench_items and sluice_bench_orders, in whatever database it is given.
#pragma once

#include <cstdint>
#include <string>

#include "base/error.h"
#include "bench/histogram.h"
#include "sql/connection.h"

namespace sluice::bench {

struct MysqlSaleOptions {
  sql::ConnectOptions database;
  std::string item;  // a new one
  int64_t stock = 0;
  int connections = 8;
  int64_t duration_us = 10'000'000;
};

struct MysqlSaleResult {
  uint64_t accepted = 0;
  uint64_t refused = 0;
  double elapsed_s = 0;
  LatencyHistogram accepted_ns;
};

Result<MysqlSaleResult> run_mysql_sale(const MysqlSaleOptions& options);

}  // namespace sluice::bench
