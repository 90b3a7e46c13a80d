#include "bench/table/latency.h"

#include <algorithm>
#include <map>

#include "bench/disk_probe.h"
#include "bench/passthrough_workload.h"
#include "bench/samples.h"
#include "bench/table/rig.h"
#include "bench/text.h"

namespace sluice::bench::table {
namespace {

constexpr int kConnectionsBusy = 200;  // so that a stall finds requests that are due, not waiting
constexpr double kLightLoad = 0.1;     // of what the closed loop reaches with 50 connections
constexpr double kHeavyLoad = 0.7;
constexpr double kTailWantedMs = 5;
constexpr int kSyncs = 5'000;  // as long a run as the others, for a p99 that is as honest
constexpr Contender kLoaded[] = {Contender::kSluice, Contender::kDiy, Contender::kPlain};

// Of one kind of run: the medians of its quantiles, in microseconds.
struct Quantiles {
  Samples p50, p99, p999;

  void add(const LatencyHistogram& ns) {
    p50.add(static_cast<double>(ns.quantile(0.5)) / 1e3);
    p99.add(static_cast<double>(ns.quantile(0.99)) / 1e3);
    p999.add(static_cast<double>(ns.quantile(0.999)) / 1e3);
  }
};

class Latency : public Measure {
 public:
  explicit Latency(const Effort& effort) : effort_(effort) {}

  Status round(Rig& rig, int) override;
  std::vector<Section> sections() const override;
  std::vector<Goal> goals() const override;

 private:
  // Under load, and what of it is the machine's own: a Redis that promises nothing, at both rates.
  struct Loaded {
    Samples rate_per_s, sent_late_p999;
    Quantiles quantiles;
  };

  Result<double> capacity(Rig& rig, Contender contender);
  Status purchases(Rig& rig, Contender contender, Quantiles& quantiles);
  Status gets(Rig& rig, Contender contender, Quantiles& quantiles);
  Status tails(Rig& rig);
  Status tail(Rig& rig, Contender contender, double rate_per_s, Loaded& loaded);
  Section light_section() const;
  Section heavy_section() const;

  const Effort effort_;
  double capacity_ = 0;  // Sluice's purchases a second in the closed loop, in this round
  Samples light_rate_per_s_;
  Quantiles sluice_, plain_, through_, direct_, sync_;
  std::map<Contender, Loaded> loaded_;  // each at its own rate
  Loaded plain_at_sluices_rate_;
};

// What earlier measures have left to be written would be written now, by threads of the kernel that
// nobody preempts; all contenders start with a clean disk instead.
Status Latency::round(Rig& rig, int) {
  SLUICE_TRY(settle_disk(rig.folder()));
  SLUICE_TRY(tails(rig));
  light_rate_per_s_.add(capacity_ * kLightLoad);
  SLUICE_TRY(purchases(rig, Contender::kPlain, plain_));
  SLUICE_TRY(purchases(rig, Contender::kSluice, sluice_));
  SLUICE_TRY(gets(rig, Contender::kPlain, direct_));
  SLUICE_TRY(gets(rig, Contender::kSluice, through_));
  const auto syncs = probe_syncs(rig.folder(), kSyncs);
  if (!syncs) return syncs.error();
  sync_.add(*syncs);
  return {};
}

Result<double> Latency::capacity(Rig& rig, Contender contender) {
  const auto sold =
      rig.sell(contender, closed_loop(kConnections, 1, effort_.run_s, effort_.run_requests));
  if (!sold) return sold.error();
  return sold->per_second();
}

Status Latency::purchases(Rig& rig, Contender contender, Quantiles& quantiles) {
  const auto sold =
      rig.sell(contender, open_loop(kConnections, capacity_ * kLightLoad, effort_.run_s));
  if (!sold) return sold.error();
  quantiles.add(sold->load.accepted_ns);
  rig.say("10 % load, purchases", contender_name(contender),
          latency_text(sold->load.accepted_ns.quantile(0.5)));
  return {};
}

// The hop alone: a GET needs neither script nor journal.
Status Latency::gets(Rig& rig, Contender contender, Quantiles& quantiles) {
  const auto address = rig.address(contender);
  if (!address) return address.error();
  auto workload = PassthroughWorkload::create({*address});
  if (!workload) return workload.error();
  const auto done = rig.run(
      contender, open_loop(kConnections, capacity_ * kLightLoad, effort_.run_s), **workload);
  if (!done) return done.error();
  quantiles.add(done->load.accepted_ns);
  rig.say("10 % load, GET", contender == Contender::kSluice ? "through Sluice" : "Redis direct",
          latency_text(done->load.accepted_ns.quantile(0.5)));
  return {};
}

// A load is a share of what the machine could do just before: it may be a third less in the next
// minute, and 70 % would be all that there is.
Status Latency::tails(Rig& rig) {
  for (const Contender contender : kLoaded) {
    const auto most = capacity(rig, contender);
    if (!most) return most.error();
    SLUICE_TRY(tail(rig, contender, *most * kHeavyLoad, loaded_[contender]));
    if (contender == Contender::kSluice) capacity_ = *most;
  }
  return tail(rig, Contender::kPlain, capacity_ * kHeavyLoad, plain_at_sluices_rate_);
}

Status Latency::tail(Rig& rig, Contender contender, double rate_per_s, Loaded& loaded) {
  const auto sold = rig.sell(contender, open_loop(kConnectionsBusy, rate_per_s, effort_.run_s));
  if (!sold) return sold.error();
  loaded.rate_per_s.add(rate_per_s);
  loaded.quantiles.add(sold->load.accepted_ns);
  loaded.sent_late_p999.add(static_cast<double>(sold->load.sent_late_ns.quantile(0.999)) / 1e3);
  rig.say("70 % load, p99.9", contender_name(contender),
          latency_text(sold->load.accepted_ns.quantile(0.999)));
  return {};
}

std::vector<Section> Latency::sections() const { return {light_section(), heavy_section()}; }

Section Latency::light_section() const {
  Section section{"Latency in us, open loop at " + with_commas(light_rate_per_s_.median()) +
                      " /s (10 % of the closed loop), 50 connections",
                  {"p50", "p99", "p99.9"},
                  {}};
  const auto row = [&section](const std::string& name, const Quantiles& quantiles) {
    section.rows.push_back(
        {name,
         {with_commas(quantiles.p50.median()), with_commas(quantiles.p99.median()),
          with_commas(quantiles.p999.median())}});
  };
  row("plain EVALSHA, Redis direct", plain_);
  row(contender_name(Contender::kSluice), sluice_);
  row("GET, Redis direct", direct_);
  row("GET through Sluice", through_);
  row("4 KiB append + fdatasync, nothing else running", sync_);
  return section;
}

Section Latency::heavy_section() const {
  Section section{"Latency in us, open loop at 70 % of each one's closed loop, 200 connections",
                  {"p50", "p99", "p99.9", "late p99.9"},
                  {}};
  const auto row = [&section](const char* name, const Loaded& loaded) {
    const Quantiles& quantiles = loaded.quantiles;
    section.rows.push_back(
        {std::string(name) + ", " + with_commas(loaded.rate_per_s.median()) + " /s",
         {with_commas(quantiles.p50.median()), with_commas(quantiles.p99.median()),
          with_commas(quantiles.p999.median()), with_commas(loaded.sent_late_p999.median())}});
  };
  row("Sluice", loaded_.at(Contender::kSluice));
  row("do it yourself", loaded_.at(Contender::kDiy));
  row("plain EVALSHA", loaded_.at(Contender::kPlain));
  row("plain EVALSHA at Sluice's rate", plain_at_sluices_rate_);
  section.note =
      "late: from when a request was due until it left. The last row is the machine's own tail.";
  return section;
}

std::vector<Goal> Latency::goals() const {
  const auto added = [this](const char* name, Samples Quantiles::*quantile) {
    Goal goal{std::string("latency added at 10 % load, ") + name, Unit::kMicroseconds};
    goal.figure = (sluice_.*quantile).median() - (plain_.*quantile).median();
    goal.reference = "hop + fdatasync";
    const double hop_us = (through_.*quantile).median() - (direct_.*quantile).median();
    goal.reference_value = std::max(hop_us, 0.0) + (sync_.*quantile).median();
    goal.wanted = 1;
    goal.at_most = true;
    return goal;
  };
  Goal tail{"p99.9 at 70 % load", Unit::kMilliseconds};
  tail.figure = loaded_.at(Contender::kSluice).quantiles.p999.median() / 1e3;
  tail.wanted = kTailWantedMs;
  tail.at_most = true;
  return {added("p50", &Quantiles::p50), added("p99", &Quantiles::p99), tail};
}

}  // namespace

std::unique_ptr<Measure> make_latency(const Effort& effort) {
  return std::make_unique<Latency>(effort);
}

}  // namespace sluice::bench::table
