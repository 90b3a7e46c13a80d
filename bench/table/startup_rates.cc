#include "bench/table/startup_rates.h"

#include "bench/samples.h"
#include "bench/startup.h"
#include "bench/table/rig.h"
#include "bench/text.h"

namespace sluice::bench::table {
namespace {

constexpr uint32_t kItems = 8;
constexpr double kRecoveryWanted = 2'000'000;
constexpr double kReplayWanted = 300'000;

class StartupRates : public Measure {
 public:
  explicit StartupRates(const Effort& effort) : effort_(effort) {}

  Status round(Rig& rig, int) override {
    StartupOptions options;
    options.drained = 0;
    options.undrained = effort_.startup_records;
    options.items = kItems;
    options.folder = rig.stack_options().folder;
    options.bin_folder = rig.stack_options().bin_folder;
    const auto result = measure_startup(options);
    if (!result) return result.error();
    const auto records = static_cast<double>(options.undrained);
    recovery_.add(records / result->start_s);
    replay_.add(records / result->rebuild_s);
    rig.say("start", "Redis has everything",
            figure_text(records / result->start_s, Unit::kPerSecond));
    rig.say("start", "Redis is empty", figure_text(records / result->rebuild_s, Unit::kPerSecond));
    return {};
  }
  std::vector<Section> sections() const override {
    Section section{"Start of the proxy, from exec to ready, with " +
                        with_commas(static_cast<double>(effort_.startup_records)) +
                        " undrained records",
                    {"records /s"},
                    {}};
    section.rows = {{"Redis has everything: recovery", {with_commas(recovery_.median())}},
                    {"Redis is empty: recovery and replay", {with_commas(replay_.median())}}};
    return {section};
  }
  std::vector<Goal> goals() const override {
    Goal recovery{"start-up recovery, records/s"};
    recovery.figure = recovery_.median();
    recovery.wanted = kRecoveryWanted;
    Goal replay{"replay into an empty Redis, purchases/s"};
    replay.figure = replay_.median();
    replay.wanted = kReplayWanted;
    return {recovery, replay};
  }

 private:
  const Effort effort_;
  Samples recovery_, replay_;
};

}  // namespace

std::unique_ptr<Measure> make_startup_rates(const Effort& effort) {
  return std::make_unique<StartupRates>(effort);
}

}  // namespace sluice::bench::table
