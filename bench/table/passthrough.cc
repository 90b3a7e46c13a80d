#include "bench/table/passthrough.h"

#include <map>
#include <tuple>

#include "bench/passthrough_workload.h"
#include "bench/samples.h"
#include "bench/table/rig.h"
#include "bench/text.h"

namespace sluice::bench::table {
namespace {

enum class Way { kDirect, kTwemproxy, kSluice, kSluiceResp3 };
constexpr Way kWays[] = {Way::kDirect, Way::kTwemproxy, Way::kSluice, Way::kSluiceResp3};
constexpr const char* kWayNames[] = {"Redis direct", "twemproxy (nutcracker)", "Sluice, RESP2",
                                     "Sluice, RESP3"};

// A command, and how many of it each of 50 connections has in flight.
struct Load {
  bool set;
  int pipeline;

  std::string text() const {
    return std::string(set ? "SET" : "GET") + " x " + std::to_string(pipeline);
  }
};
constexpr Load kLoads[] = {{true, 1}, {false, 1}, {true, 16}, {false, 16}};
constexpr double kWantedOfTwemproxy = 1.1;
constexpr double kWantedPipelined = 1'000'000;
constexpr const char* kMissing = "twemproxy is not installed (package nutcracker)";

class Passthrough : public Measure {
 public:
  explicit Passthrough(const Effort& effort) : effort_(effort) {}

  Status round(Rig& rig, int) override;
  std::vector<Section> sections() const override;
  std::vector<Goal> goals() const override;

 private:
  Result<std::string> address(Rig& rig, Way way);
  Status measure(Rig& rig, size_t load, Way way);
  double rate(size_t load, Way way) const {
    const auto found = rates_.find({load, way});
    return found == rates_.end() ? 0 : found->second.median();
  }

  const Effort effort_;
  bool has_twemproxy_ = true;
  std::map<std::pair<size_t, Way>, Samples> rates_;
};

Status Passthrough::round(Rig& rig, int) {
  const auto twemproxy = rig.twemproxy_address();
  has_twemproxy_ = twemproxy.ok();
  if (!has_twemproxy_ && twemproxy.error().cls() != ErrorClass::kNotFound) return twemproxy.error();
  for (size_t load = 0; load < std::size(kLoads); ++load) {
    for (const Way way : kWays) {
      if (way != Way::kTwemproxy || has_twemproxy_) SLUICE_TRY(measure(rig, load, way));
    }
  }
  return {};
}

Result<std::string> Passthrough::address(Rig& rig, Way way) {
  if (way == Way::kDirect) return rig.address(Contender::kPlain);
  if (way == Way::kTwemproxy) return rig.twemproxy_address();
  return rig.address(Contender::kSluice);
}

Status Passthrough::measure(Rig& rig, size_t load_number, Way way) {
  const auto where = address(rig, way);
  if (!where) return where.error();
  const Load& load = kLoads[load_number];
  auto workload = PassthroughWorkload::create({*where, load.set});
  if (!workload) return workload.error();
  LoadOptions options = closed_loop(kConnections, load.pipeline, effort_.run_s / 2, 0);
  options.address = *where;
  options.resp3 = way == Way::kSluiceResp3;
  const auto result = run_load(options, **workload);
  if (!result) return result.error();
  if (result->interrupted) return Error(ErrorClass::kUnavailable, "interrupted");
  const char* name = kWayNames[static_cast<int>(way)];
  SLUICE_TRY(only_accepted(*result, name));
  const double per_second = result->per_second(result->accepted);
  rates_[{load_number, way}].add(per_second);
  rig.say(load.text(), name, figure_text(per_second, Unit::kPerSecond));
  return {};
}

std::vector<Section> Passthrough::sections() const {
  Section section{"Pass-through, commands per second, 50 connections, values of 16 bytes", {}, {}};
  for (const Load& load : kLoads) section.columns.push_back(load.text());
  for (const Way way : kWays) {
    Section::Row row{kWayNames[static_cast<int>(way)], {}};
    for (size_t load = 0; load < std::size(kLoads); ++load) {
      const double value = rate(load, way);
      row.cells.push_back(value > 0 ? with_commas(value) : "-");
    }
    section.rows.push_back(std::move(row));
  }
  if (!has_twemproxy_) section.note = kMissing;
  return {section};
}

std::vector<Goal> Passthrough::goals() const {
  std::vector<Goal> goals;
  for (const Way way : {Way::kSluice, Way::kSluiceResp3}) {
    const std::string protocol = way == Way::kSluice ? ", RESP2" : ", RESP3";
    for (size_t load = 0; load < std::size(kLoads); ++load) {
      Goal goal{"pass-through " + kLoads[load].text() + protocol};
      goal.figure = rate(load, way);
      goal.reference = "twemproxy";
      goal.reference_value = rate(load, Way::kTwemproxy);
      goal.wanted = kWantedOfTwemproxy;
      if (!has_twemproxy_) goal.missing = kMissing;
      goals.push_back(goal);
      if (kLoads[load].pipeline == 1) continue;
      Goal absolute{goal.measure};
      absolute.figure = goal.figure;
      absolute.wanted = kWantedPipelined;
      goals.push_back(absolute);
    }
  }
  return goals;
}

}  // namespace

std::unique_ptr<Measure> make_passthrough(const Effort& effort) {
  return std::make_unique<Passthrough>(effort);
}

}  // namespace sluice::bench::table
