// One measure of the table: its runs, and what they mean.
//
// The table (table.h) calls round() of every measure in turn, round after round, so that a slow
// minute of the machine hits all of them; sections() and goals() come after the last round. One
// thread. A measure that is not worth repeating does its own rounds in the first one.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/error.h"
#include "bench/table/goal.h"

namespace sluice::bench::table {

class Rig;

inline constexpr int kConnections = 50;  // of a load, where a measure does not say otherwise

// How much is measured.
struct Effort {
  int rounds = 5;
  double run_s = 1.5;               // seconds of load in a run
  uint64_t run_requests = 600'000;  // and no more than that, which bounds memory and disk
  uint64_t drain_rows = 600'000;    // backlog of a drain
  uint64_t startup_records = 2'000'000;
  uint64_t orders_max = 10'000'000;  // orders in the item of the largest sale
};

// A part of the report with figures beside each other.
struct Section {
  struct Row {
    std::string name;
    std::vector<std::string> cells;
  };
  std::string title;
  std::vector<std::string> columns;
  std::vector<Row> rows;
  std::string note = {};
};

class Measure {
 public:
  virtual ~Measure() = default;

  // All runs of one round, on servers that the rig has fresh for it.
  virtual Status round(Rig& rig, int number) = 0;

  virtual std::vector<Section> sections() const = 0;
  virtual std::vector<Goal> goals() const = 0;
};

// A measure by the name that --only takes.
struct MeasureKind {
  const char* name;
  const char* what;
  std::unique_ptr<Measure> (*make)(const Effort& effort);
};

}  // namespace sluice::bench::table
