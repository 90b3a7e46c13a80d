#include "bench/table/refusals.h"

#include "bench/diy_workload.h"
#include "bench/samples.h"
#include "bench/table/rig.h"
#include "bench/text.h"

namespace sluice::bench::table {
namespace {

constexpr uint64_t kStock = 10'000;  // sold before the measured run begins
constexpr int kConnections = 50;
constexpr int kPipeline = 16;
constexpr double kWanted = 1'000'000;

// Every buyer came too late, and was told so.
Status only_sold_out(const LoadResult& result, const std::string& who) {
  if (result.refused.count("SOLDOUT") == result.sent) return {};
  return Error(ErrorClass::kRefused,
               who + ": of " + std::to_string(result.sent) + " purchases after the last unit " +
                   std::to_string(result.refused.count("SOLDOUT")) + " were SOLDOUT, " +
                   std::to_string(result.accepted) + " accepted, " +
                   std::to_string(result.errors.total()) + " errors");
}

class Refusals : public Measure {
 public:
  explicit Refusals(const Effort& effort) : effort_(effort) {}

  Status round(Rig& rig, int) override {
    SLUICE_TRY(refuse_sluice(rig));
    return refuse_diy(rig);
  }
  std::vector<Section> sections() const override;
  std::vector<Goal> goals() const override {
    Goal goal{"refusals/s, sold out, 50 connections x 16"};
    goal.figure = sluice_.median();
    goal.wanted = kWanted;
    return {goal};
  }

 private:
  Status refuse_sluice(Rig& rig);
  Status refuse_diy(Rig& rig);
  LoadOptions load() const { return closed_loop(kConnections, kPipeline, effort_.run_s / 2, 0); }

  const Effort effort_;
  Samples sluice_, sluice_p99_ns_, sluice_cpu_us_, diy_, diy_p99_ns_, diy_cpu_us_;
};

Status Refusals::refuse_sluice(Rig& rig) {
  SaleOptions options;
  options.item = rig.next_item();
  SLUICE_TRY(rig.create_items(options, static_cast<int64_t>(kStock)));
  const auto sold = rig.sell_items(options, closed_loop(kConnections, kPipeline, 60, kStock));
  if (!sold) return sold.error();
  options.first_buyer = kStock;
  auto workload = SaleWorkload::create(options);
  if (!workload) return workload.error();
  const auto refused = rig.run(Contender::kSluice, load(), **workload);
  if (!refused) return refused.error();
  SLUICE_TRY(only_sold_out(refused->load, contender_name(Contender::kSluice)));
  const LoadResult& result = refused->load;
  sluice_.add(result.per_second(result.refused.total()));
  sluice_p99_ns_.add(static_cast<double>(result.refused_ns.quantile(0.99)));
  sluice_cpu_us_.add(refused->cpu_us());
  rig.say("refusals, x 16", contender_name(Contender::kSluice),
          figure_text(result.per_second(result.refused.total()), Unit::kPerSecond));
  return {};
}

// Its script finds no stock before it looks for the buyer: the item need not be sold out first.
Status Refusals::refuse_diy(Rig& rig) {
  const auto address = rig.address(Contender::kDiy);
  if (!address) return address.error();
  auto workload = DiyWorkload::create({*address, rig.next_item(), 0});
  if (!workload) return workload.error();
  const auto refused = rig.run(Contender::kDiy, load(), **workload);
  if (!refused) return refused.error();
  SLUICE_TRY(only_sold_out(refused->load, contender_name(Contender::kDiy)));
  const LoadResult& result = refused->load;
  diy_.add(result.per_second(result.refused.total()));
  diy_p99_ns_.add(static_cast<double>(result.refused_ns.quantile(0.99)));
  diy_cpu_us_.add(refused->cpu_us());
  rig.say("refusals, x 16", contender_name(Contender::kDiy),
          figure_text(result.per_second(result.refused.total()), Unit::kPerSecond));
  return (*workload)->clean_up();
}

std::vector<Section> Refusals::sections() const {
  Section section{"Refused after the last unit, 50 connections x 16 (nothing is accepted here)",
                  {"refused /s", "p99", "CPU us each"},
                  {}};
  const auto row = [](const char* name, const Samples& rate, const Samples& p99_ns,
                      const Samples& cpu_us) {
    char cpu[32];
    std::snprintf(cpu, sizeof cpu, "%.2f", cpu_us.median());
    return Section::Row{
        name,
        {with_commas(rate.median()), latency_text(static_cast<int64_t>(p99_ns.median())), cpu}};
  };
  section.rows.push_back(
      row(contender_name(Contender::kSluice), sluice_, sluice_p99_ns_, sluice_cpu_us_));
  section.rows.push_back(row(contender_name(Contender::kDiy), diy_, diy_p99_ns_, diy_cpu_us_));
  return {section};
}

}  // namespace

std::unique_ptr<Measure> make_refusals(const Effort& effort) {
  return std::make_unique<Refusals>(effort);
}

}  // namespace sluice::bench::table
