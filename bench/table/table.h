// The side-by-side table: Sluice and what a user would build instead, in one run on one machine,
// because figures of two machines, or of two days, cannot be compared.
//
// Rounds of all measures, by turns; medians are reported. After every round what was sold is
// drained and compared with MySQL: a figure of a run that lost an order is worth nothing.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/error.h"
#include "bench/machine.h"
#include "bench/stack.h"
#include "bench/table/measure.h"

namespace sluice::bench::table {

struct TableOptions {
  StackOptions stack;
  Effort effort;
  std::vector<std::string> only;  // names of measures(); empty: all
  bool progress = true;
};

struct TableResult {
  Machine machine;
  std::string redis_version, database_version;
  int rounds = 0;
  double seconds = 0;  // that all of it took
  std::vector<Section> sections;
  std::vector<Goal> goals;
  uint64_t orders = 0;  // acknowledged in all, and found in MySQL
  uint64_t items = 0;
};

// All there are, in the order of the table.
const std::vector<MeasureKind>& measures();

// Few and short runs: under two minutes, figures that are rough.
Effort quick_effort();

Result<TableResult> measure_table(const TableOptions& options);

}  // namespace sluice::bench::table
