#include "bench/table/table.h"

#include <algorithm>
#include <cstdio>
#include <memory>

#include "base/clock.h"
#include "bench/table/drain.h"
#include "bench/table/latency.h"
#include "bench/table/load_growth.h"
#include "bench/table/many_items.h"
#include "bench/table/order_growth.h"
#include "bench/table/passthrough.h"
#include "bench/table/purchases.h"
#include "bench/table/refusals.h"
#include "bench/table/rig.h"
#include "bench/table/startup_rates.h"

namespace sluice::bench::table {
namespace {

using Measures = std::vector<std::unique_ptr<Measure>>;

Result<Measures> chosen_measures(const TableOptions& options) {
  for (const std::string& name : options.only) {
    const bool known = std::any_of(measures().begin(), measures().end(),
                                   [&](const MeasureKind& kind) { return name == kind.name; });
    if (!known) return Error(ErrorClass::kInvalid, "there is no measure \"" + name + "\"");
  }
  Measures chosen;
  for (const MeasureKind& kind : measures()) {
    const bool wanted = options.only.empty() || std::count(options.only.begin(), options.only.end(),
                                                           std::string(kind.name)) > 0;
    if (wanted) chosen.push_back(kind.make(options.effort));
  }
  return chosen;
}

Status run_rounds(const TableOptions& options, Rig& rig, Measures& chosen) {
  for (int number = 0; number < options.effort.rounds; ++number) {
    if (options.progress) {
      std::fprintf(stderr, "round %d of %d, in %s\n", number + 1, options.effort.rounds,
                   rig.folder().c_str());
    }
    SLUICE_TRY(rig.begin_round());
    for (const auto& measure : chosen) SLUICE_TRY(measure->round(rig, number));
    if (const auto settled = rig.settle(); !settled) return settled.error();
  }
  return {};
}

}  // namespace

// The drain begins with whatever the measures before it have sold; the largest sale comes last.
const std::vector<MeasureKind>& measures() {
  static const std::vector<MeasureKind> kAll{
      {"purchases", "purchases/s by three shapes of load, and CPU per purchase", make_purchases},
      {"refusals", "refusals/s after the last unit", make_refusals},
      {"passthrough", "SET and GET, beside Redis direct and twemproxy", make_passthrough},
      {"latency", "latency added at 10 % load, p99.9 at 70 %", make_latency},
      {"drain", "rows/s into MySQL, beside bare INSERTs and LOAD DATA", make_drain},
      {"startup", "recovery and replay of an undrained journal", make_startup_rates},
      {"many-items", "1,000 items beside one hot item", make_many_items},
      {"load-growth", "CPU per purchase with 1, 16, 64 in flight", make_load_growth},
      {"order-growth", "CPU per purchase from 10 thousand to 10 million orders", make_order_growth},
  };
  return kAll;
}

Effort quick_effort() {
  Effort effort;
  effort.rounds = 1;
  effort.run_s = 1;
  effort.run_requests = 300'000;
  effort.drain_rows = 200'000;
  effort.startup_records = 1'000'000;
  effort.orders_max = 1'000'000;
  return effort;
}

Result<TableResult> measure_table(const TableOptions& options) {
  auto chosen = chosen_measures(options);
  if (!chosen) return chosen.error();
  const int64_t start_us = base::monotonic_us();
  auto rig = Rig::create(options.stack, options.progress);
  if (!rig) return rig.error();
  TableResult result;
  auto machine = describe_machine((*rig)->folder());
  if (!machine) return machine.error();
  result.machine = std::move(*machine);
  result.rounds = options.effort.rounds;
  SLUICE_TRY(run_rounds(options, **rig, *chosen));
  for (const auto& measure : *chosen) {
    for (Section& section : measure->sections()) result.sections.push_back(std::move(section));
    for (Goal& goal : measure->goals()) result.goals.push_back(std::move(goal));
  }
  result.redis_version = (*rig)->redis_version();
  result.database_version = (*rig)->database_version();
  result.orders = (*rig)->orders_checked();
  result.items = (*rig)->items_checked();
  result.seconds = static_cast<double>(base::monotonic_us() - start_us) / 1e6;
  return result;
}

}  // namespace sluice::bench::table
