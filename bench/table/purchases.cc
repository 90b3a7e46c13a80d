#include "bench/table/purchases.h"

#include <map>
#include <utility>

#include "bench/mysql_sale.h"
#include "bench/samples.h"
#include "bench/table/rig.h"
#include "bench/text.h"

namespace sluice::bench::table {
namespace {

struct Shape {
  int connections;
  int pipeline;
  double wanted_of_diy;    // how often Sluice is to be as fast
  double wanted_of_plain;  // 0: nothing is
};
constexpr Shape kShapes[] = {{50, 1, 2, 0}, {500, 1, 1.5, 1}, {50, 16, 4, 1.8}};
constexpr size_t kPipelined = 2;
constexpr Contender kContenders[] = {Contender::kSluice, Contender::kDiy, Contender::kAofOnly,
                                     Contender::kPlain};
constexpr int kMysqlConnections[] = {8, 32};
constexpr double kCpuWanted = 1.0 / 3;
constexpr uint64_t kWarmUpPurchases = 50'000;

std::string text_of(const Shape& shape) {
  const std::string clients = std::to_string(shape.connections) + " connections";
  return shape.pipeline == 1 ? clients : clients + " x " + std::to_string(shape.pipeline);
}

class Purchases : public Measure {
 public:
  explicit Purchases(const Effort& effort) : effort_(effort) {}

  Status round(Rig& rig, int number) override;
  std::vector<Section> sections() const override { return {rates(), costs()}; }
  std::vector<Goal> goals() const override;

 private:
  struct Cell {
    Samples per_second, p99_ns, cpu_us, proxy_us, redis_us, generator_us;
  };

  Status warm_up(Rig& rig);
  Status measure(Rig& rig, Contender contender, size_t shape);
  Status measure_mysql(Rig& rig, int number);
  const Cell& cell(Contender contender, size_t shape) const {
    return cells_.at({contender, shape});
  }
  Section rates() const;
  Section costs() const;

  const Effort effort_;
  std::map<std::pair<Contender, size_t>, Cell> cells_;
  std::map<int, Samples> mysql_;  // by connections
};

Status Purchases::round(Rig& rig, int number) {
  SLUICE_TRY(warm_up(rig));
  for (size_t shape = 0; shape < std::size(kShapes); ++shape) {
    for (const Contender contender : kContenders) {
      SLUICE_TRY(measure(rig, contender, shape));
    }
  }
  return measure_mysql(rig, number);
}

// The first run after a start would pay for first-time allocations, and for MariaDB's own start.
Status Purchases::warm_up(Rig& rig) {
  if (const auto database = rig.database(); !database) return database.error();
  for (const Contender contender : kContenders) {
    const auto sold = rig.sell(contender, closed_loop(50, 16, effort_.run_s, kWarmUpPurchases));
    if (!sold) return sold.error();
  }
  return {};
}

Status Purchases::measure(Rig& rig, Contender contender, size_t shape) {
  const auto sold =
      rig.sell(contender, closed_loop(kShapes[shape].connections, kShapes[shape].pipeline,
                                      effort_.run_s, effort_.run_requests));
  if (!sold) return sold.error();
  Cell& cell = cells_[{contender, shape}];
  cell.per_second.add(sold->per_second());
  cell.p99_ns.add(static_cast<double>(sold->load.accepted_ns.quantile(0.99)));
  cell.cpu_us.add(sold->cpu_us());
  cell.proxy_us.add(sold->proxy_us());
  cell.redis_us.add(sold->redis_us());
  cell.generator_us.add(sold->load.own_cpu_s * 1e6 / static_cast<double>(sold->load.accepted));
  rig.say(text_of(kShapes[shape]), contender_name(contender),
          figure_text(sold->per_second(), Unit::kPerSecond));
  return {};
}

Status Purchases::measure_mysql(Rig& rig, int number) {
  const auto database = rig.database();
  if (!database) return database.error();
  for (const int connections : kMysqlConnections) {
    MysqlSaleOptions options;
    options.database = **database;
    options.item = "alone-" + std::to_string(number) + "-" + std::to_string(connections);
    options.stock = kEndlessStock;
    options.connections = connections;
    options.duration_us = static_cast<int64_t>(effort_.run_s * 0.5e6);
    const auto result = run_mysql_sale(options);
    if (!result) return result.error();
    const double rate = static_cast<double>(result->accepted) / result->elapsed_s;
    mysql_[connections].add(rate);
    rig.say(std::to_string(connections) + " connections", "MySQL alone",
            figure_text(rate, Unit::kPerSecond));
  }
  return {};
}

Section Purchases::rates() const {
  Section section{"Purchases per second, accepted; below each its p99 latency", {}, {}};
  section.note = "MySQL alone: UPDATE the stock, INSERT the order, COMMIT.";
  for (const Shape& shape : kShapes) section.columns.push_back(text_of(shape));
  for (const Contender contender : kContenders) {
    Section::Row rates{contender_name(contender), {}}, latencies{"", {}};
    for (size_t shape = 0; shape < std::size(kShapes); ++shape) {
      rates.cells.push_back(with_commas(cell(contender, shape).per_second.median()));
      latencies.cells.push_back(
          latency_text(static_cast<int64_t>(cell(contender, shape).p99_ns.median())));
    }
    section.rows.push_back(std::move(rates));
    section.rows.push_back(std::move(latencies));
  }
  for (const auto& [connections, rate] : mysql_) {
    section.rows.push_back({"MySQL alone, " + std::to_string(connections) + " connections",
                            {with_commas(rate.median())}});
  }
  return section;
}

Section Purchases::costs() const {
  Section section{"CPU us per purchase, user and system", {}, {}};
  for (const Shape& shape : kShapes) section.columns.push_back(text_of(shape));
  const auto add_row = [&](const std::string& name, Contender contender, Samples Cell::*samples) {
    Section::Row row{name, {}};
    for (size_t shape = 0; shape < std::size(kShapes); ++shape) {
      char text[32];
      std::snprintf(text, sizeof text, "%.2f", (cell(contender, shape).*samples).median());
      row.cells.push_back(text);
    }
    section.rows.push_back(std::move(row));
  };
  for (const Contender contender : kContenders) {
    add_row(contender_name(contender), contender, &Cell::cpu_us);
    if (contender != Contender::kSluice) continue;
    add_row("  of it the proxy, with its journal", contender, &Cell::proxy_us);
    add_row("  of it its Redis", contender, &Cell::redis_us);
  }
  add_row("the load generator besides, of Sluice", Contender::kSluice, &Cell::generator_us);
  add_row("the load generator besides, of plain", Contender::kPlain, &Cell::generator_us);
  return section;
}

std::vector<Goal> Purchases::goals() const {
  std::vector<Goal> goals;
  for (size_t shape = 0; shape < std::size(kShapes); ++shape) {
    Goal goal{"purchases/s, " + text_of(kShapes[shape])};
    goal.figure = cell(Contender::kSluice, shape).per_second.median();
    goal.reference = "do it yourself";
    goal.reference_value = cell(Contender::kDiy, shape).per_second.median();
    goal.wanted = kShapes[shape].wanted_of_diy;
    goals.push_back(goal);
    if (kShapes[shape].wanted_of_plain == 0) continue;
    goal.reference = "plain EVALSHA";
    goal.reference_value = cell(Contender::kPlain, shape).per_second.median();
    goal.wanted = kShapes[shape].wanted_of_plain;
    goals.push_back(goal);
  }
  Goal cpu{"CPU per purchase, " + text_of(kShapes[kPipelined]), Unit::kMicroseconds};
  cpu.figure = cell(Contender::kSluice, kPipelined).cpu_us.median();
  cpu.reference = "do it yourself";
  cpu.reference_value = cell(Contender::kDiy, kPipelined).cpu_us.median();
  cpu.wanted = kCpuWanted;
  cpu.at_most = true;
  goals.push_back(cpu);
  return goals;
}

}  // namespace

std::unique_ptr<Measure> make_purchases(const Effort& effort) {
  return std::make_unique<Purchases>(effort);
}

}  // namespace sluice::bench::table
