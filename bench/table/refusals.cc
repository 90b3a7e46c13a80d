#include "bench/table/refusals.h"

#include "bench/diy_workload.h"
#include "bench/samples.h"
#include "bench/table/rig.h"
#include "bench/text.h"

namespace sluice::bench::table {
namespace {

constexpr uint64_t kStock = 10'000;  // sold before the measured run begins
constexpr int kPipeline = 16;
constexpr double kRefusalsWanted = 1'000'000;

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
    goal.figure = sluice_.per_second.median();
    goal.wanted = kRefusalsWanted;
    return {goal};
  }

 private:
  struct Figures {
    Samples per_second, p99_ns, cpu_us;
  };

  Status refuse_sluice(Rig& rig);
  Status refuse_diy(Rig& rig);
  Status refuse(Rig& rig, Contender contender, Workload& workload, Figures& figures);
  LoadOptions load() const { return closed_loop(kConnections, kPipeline, effort_.run_s / 2, 0); }

  const Effort effort_;
  Figures sluice_, diy_;
};

Status Refusals::refuse(Rig& rig, Contender contender, Workload& workload, Figures& figures) {
  const auto refused = rig.run(contender, load(), workload);
  if (!refused) return refused.error();
  const LoadResult& result = refused->load;
  SLUICE_TRY(only_sold_out(result, contender_name(contender)));
  const double per_second = result.per_second(result.refused.total());
  figures.per_second.add(per_second);
  figures.p99_ns.add(static_cast<double>(result.refused_ns.quantile(0.99)));
  figures.cpu_us.add(refused->cpu_us());
  rig.say("refusals, x 16", contender_name(contender), figure_text(per_second, Unit::kPerSecond));
  return {};
}

Status Refusals::refuse_sluice(Rig& rig) {
  SaleOptions options;
  options.item = rig.next_item();
  SLUICE_TRY(rig.create_items(options, static_cast<int64_t>(kStock)));
  const auto sold = rig.sell_items(options, closed_loop(kConnections, kPipeline, 60, kStock));
  if (!sold) return sold.error();
  options.first_buyer = kStock;
  auto workload = SaleWorkload::create(options);
  if (!workload) return workload.error();
  return refuse(rig, Contender::kSluice, **workload, sluice_);
}

// Its script finds no stock before it looks for the buyer: the item need not be sold out first.
Status Refusals::refuse_diy(Rig& rig) {
  const auto address = rig.address(Contender::kDiy);
  if (!address) return address.error();
  auto workload = DiyWorkload::create({*address, rig.next_item(), 0});
  if (!workload) return workload.error();
  SLUICE_TRY(refuse(rig, Contender::kDiy, **workload, diy_));
  return (*workload)->clean_up();
}

std::vector<Section> Refusals::sections() const {
  Section section{"Refused after the last unit, 50 connections x 16 (nothing is accepted here)",
                  {"refused /s", "p99", "CPU us each"},
                  {}};
  const auto add_row = [&](Contender contender, const Figures& figures) {
    char cpu[32];
    std::snprintf(cpu, sizeof cpu, "%.2f", figures.cpu_us.median());
    section.rows.push_back({contender_name(contender),
                            {with_commas(figures.per_second.median()),
                             latency_text(static_cast<int64_t>(figures.p99_ns.median())), cpu}});
  };
  add_row(Contender::kSluice, sluice_);
  add_row(Contender::kDiy, diy_);
  return {section};
}

}  // namespace

std::unique_ptr<Measure> make_refusals(const Effort& effort) {
  return std::make_unique<Refusals>(effort);
}

}  // namespace sluice::bench::table
