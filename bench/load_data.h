// LOAD DATA, the fastest way into MySQL that its manual knows: the yardstick of the drain beside
// the bare INSERTs. The same rows, one statement, one connection; writing the file is not timed.
#pragma once

#include <cstdint>
#include <string>

#include "base/error.h"
#include "sql/connection.h"

namespace sluice::bench {

struct LoadDataOptions {
  sql::ConnectOptions database;  // its account needs the FILE privilege
  std::string folder;            // for the file; the server must be able to read it there
  std::string item;              // a new one: its rows are inserted once
  uint64_t first_order_id;       // ids from here on must be free
  uint64_t rows = 0;
};

// Rows per second of the statement and its COMMIT. The orders table must exist.
Result<double> run_load_data(const LoadDataOptions& options);

}  // namespace sluice::bench
