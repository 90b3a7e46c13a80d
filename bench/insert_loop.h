// The bare multi-row INSERT loop, the yardstick of the drain: the same table, the same columns, a
// thousand rows a statement, nothing else. It knows no checkpoint, no items row, no journal.
#pragma once

#include <cstdint>
#include <string>

#include "base/error.h"
#include "sql/connection.h"

namespace sluice::bench {

struct InsertLoopOptions {
  sql::ConnectOptions database;
  std::string item;         // a new one: its rows are inserted once
  uint64_t first_order_id;  // ids from here on must be free
  uint64_t rows = 0;
  uint64_t rows_per_statement = 1000;
  int connections = 1;  // each a thread with its own range of ids, so that none waits for another
};

// Rows per second, without connecting. The orders table must exist.
Result<double> run_insert_loop(const InsertLoopOptions& options);

}  // namespace sluice::bench
