// The side-by-side benchmark: Sluice and what a user would build instead, in one run on one
// machine, because figures of two machines, or of two days, cannot be compared.
//
// Runs take turns (Sluice, do-it-yourself, plain, then the next round), so that a slow minute of
// the machine hits all of them; medians are reported. Every sale's orders are then drained and
// counted in MySQL: a figure of a run that lost an order is worth nothing.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/error.h"
#include "bench/machine.h"
#include "bench/stack.h"

namespace sluice::bench {

struct CompareOptions {
  StackOptions stack;
  int rounds = 3;
  double run_s = 2;                 // seconds of load a run
  uint64_t run_requests = 600'000;  // and no more than that, which bounds memory and disk
  uint64_t drain_rows = 300'000;
  bool baseline_only = false;  // without Sluice: what the machine can do
  bool progress = true;
};

// How clients load the server.
struct Shape {
  int connections;
  int pipeline;

  std::string text() const {
    const std::string clients = std::to_string(connections) + " connections";
    return pipeline == 1 ? clients : clients + " x " + std::to_string(pipeline);
  }
};

enum class Contender { kSluice, kDiyDurable, kPlain };

// One row of the purchase table: medians over the rounds, by shape.
struct PurchaseRow {
  Contender contender;
  std::vector<double> per_second;
  std::vector<double> p99_ns;
};

struct DrainRow {
  std::string name;
  double rows_per_second;
};

struct CompareResult {
  Machine machine;
  std::string redis_version;
  std::string database_version;
  int rounds = 0;
  std::vector<Shape> shapes;
  std::vector<PurchaseRow> purchases;
  std::vector<DrainRow> drains;
  uint64_t orders = 0;  // accepted in all, and found in MySQL
  uint64_t items = 0;
};

Result<CompareResult> compare(const CompareOptions& options);

double median(std::vector<double> values);  // 0 of none

}  // namespace sluice::bench
