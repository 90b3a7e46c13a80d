#include "bench/table/load_growth.h"

#include "bench/samples.h"
#include "bench/table/rig.h"

namespace sluice::bench::table {
namespace {

constexpr int kInFlight[] = {1, 16, 64};  // a connection
constexpr size_t kLevels = std::size(kInFlight);

class LoadGrowth : public Measure {
 public:
  explicit LoadGrowth(const Effort& effort) : effort_(effort) {}

  Status round(Rig& rig, int) override {
    for (size_t i = 0; i < kLevels; ++i) {
      const auto sold = rig.sell(
          Contender::kSluice,
          closed_loop(kConnections, kInFlight[i], effort_.run_s / 2, effort_.run_requests));
      if (!sold) return sold.error();
      cpu_us_[i].add(sold->cpu_us());
      rig.say("in flight a connection", std::to_string(kInFlight[i]),
              figure_text(sold->cpu_us(), Unit::kMicroseconds));
    }
    return {};
  }
  std::vector<Section> sections() const override {
    Section section{"CPU us per purchase (proxy, Redis, journal), 50 connections", {}, {}};
    section.rows = {{"requests in flight a connection: 1, 16, 64", {}}};
    for (const Samples& cpu_us : cpu_us_) {
      section.rows[0].cells.push_back(figure_text(cpu_us.median(), Unit::kMicroseconds));
    }
    return {section};
  }
  std::vector<Goal> goals() const override {
    std::vector<Goal> goals;
    for (size_t i = 1; i < kLevels; ++i) {
      Goal goal{"CPU per purchase, " + std::to_string(kInFlight[i]) + " in flight a connection",
                Unit::kMicroseconds};
      goal.figure = cpu_us_[i].median();
      goal.reference = "with " + std::to_string(kInFlight[i - 1]);
      goal.reference_value = cpu_us_[i - 1].median();
      goal.wanted = 1;
      goal.at_most = true;
      goals.push_back(goal);
    }
    return goals;
  }

 private:
  const Effort effort_;
  Samples cpu_us_[kLevels];
};

}  // namespace

std::unique_ptr<Measure> make_load_growth(const Effort& effort) {
  return std::make_unique<LoadGrowth>(effort);
}

}  // namespace sluice::bench::table
