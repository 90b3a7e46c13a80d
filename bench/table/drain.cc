#include "bench/table/drain.h"

#include "bench/insert_loop.h"
#include "bench/load_data.h"
#include "bench/samples.h"
#include "bench/table/rig.h"
#include "bench/text.h"

namespace sluice::bench::table {
namespace {

constexpr uint64_t kFirstOrderId = uint64_t{1} << 63;  // above every order_id of Sluice
constexpr uint64_t kRowsPerStatement = 1000;
constexpr double kWantedOfInserts = 0.9;
constexpr double kWantedOfLoadData = 1.2;

class Drain : public Measure {
 public:
  explicit Drain(const Effort& effort) : effort_(effort) {}

  Status round(Rig& rig, int) override;
  std::vector<Section> sections() const override;
  std::vector<Goal> goals() const override;

 private:
  Status flusher(Rig& rig);
  Status bare_inserts(Rig& rig, int connections, Samples& samples);
  Status load_data(Rig& rig);

  const Effort effort_;
  Samples flusher_, bare_one_, bare_two_, load_data_;
};

// Each finds the same empty tables.
Status Drain::round(Rig& rig, int) {
  if (const auto settled = rig.settle(); !settled) return settled.error();
  SLUICE_TRY(flusher(rig));
  SLUICE_TRY(bare_inserts(rig, 2, bare_two_));
  SLUICE_TRY(bare_inserts(rig, 1, bare_one_));
  return load_data(rig);
}

// The backlog is sold while no flusher runs, as in a peak.
Status Drain::flusher(Rig& rig) {
  const auto sold = rig.sell(Contender::kSluice, closed_loop(50, 16, 60, effort_.drain_rows));
  if (!sold) return sold.error();
  const auto seconds = rig.settle();
  if (!seconds) return seconds.error();
  const double rate = static_cast<double>(sold->load.accepted) / *seconds;
  flusher_.add(rate);
  rig.say("drain", "sluice-flusher --once", figure_text(rate, Unit::kPerSecond));
  return {};
}

Status Drain::bare_inserts(Rig& rig, int connections, Samples& samples) {
  const auto database = rig.database();
  if (!database) return database.error();
  const auto rate = run_insert_loop({**database, rig.next_item(), kFirstOrderId, effort_.drain_rows,
                                     kRowsPerStatement, connections});
  if (!rate) return rate.error();
  samples.add(*rate);
  rig.say("drain", "bare INSERT, connections: " + std::to_string(connections),
          figure_text(*rate, Unit::kPerSecond));
  return rig.empty_tables();
}

Status Drain::load_data(Rig& rig) {
  const auto database = rig.database();
  if (!database) return database.error();
  const auto rate =
      run_load_data({**database, rig.folder(), rig.next_item(), kFirstOrderId, effort_.drain_rows});
  if (!rate) return rate.error();
  load_data_.add(*rate);
  rig.say("drain", "LOAD DATA", figure_text(*rate, Unit::kPerSecond));
  return rig.empty_tables();
}

std::vector<Section> Drain::sections() const {
  Section section{"Drain of " + with_commas(static_cast<double>(effort_.drain_rows)) +
                      " orders into MySQL, each into empty tables",
                  {"rows /s"},
                  {}};
  section.rows = {
      {"sluice-flusher --once, its start included", {with_commas(flusher_.median())}},
      {"bare INSERT, 1,000 rows each, 2 connections", {with_commas(bare_two_.median())}},
      {"bare INSERT, 1,000 rows each, 1 connection", {with_commas(bare_one_.median())}},
      {"LOAD DATA INFILE, 1 connection", {with_commas(load_data_.median())}}};
  return {section};
}

std::vector<Goal> Drain::goals() const {
  Goal inserts{"drain, rows/s"};
  inserts.figure = flusher_.median();
  inserts.reference = "bare INSERT x 2";
  inserts.reference_value = bare_two_.median();
  inserts.wanted = kWantedOfInserts;
  Goal load_data = inserts;
  load_data.reference = "LOAD DATA";
  load_data.reference_value = load_data_.median();
  load_data.wanted = kWantedOfLoadData;
  return {inserts, load_data};
}

}  // namespace

std::unique_ptr<Measure> make_drain(const Effort& effort) {
  return std::make_unique<Drain>(effort);
}

}  // namespace sluice::bench::table
