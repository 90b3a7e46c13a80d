#include "bench/abuse.h"

#include <boost/json.hpp>
#include <cstdio>
#include <memory>

#include "bench/abuser.h"
#include "bench/interrupt.h"
#include "bench/load.h"
#include "bench/passthrough_workload.h"
#include "bench/samples.h"
#include "bench/text.h"

namespace sluice::bench {
namespace {

struct Scene {
  std::string name;
  std::vector<Abuse> abusers;
};

std::vector<Scene> scenes() {
  std::vector<Scene> all{{"nobody (noise of the measurement)", {}}};
  Scene together{"all three together", {}};
  for (const Abuse abuse : {Abuse::kNeverReads, Abuse::kTrickles, Abuse::kAnnounces}) {
    all.push_back({describe(abuse), {abuse}});
    together.abusers.push_back(abuse);
  }
  all.push_back(std::move(together));
  return all;
}

class AbuseRun {
 public:
  AbuseRun(const AbuseOptions& options, std::string address, Address resolved)
      : options_(options), address_(std::move(address)), resolved_(std::move(resolved)) {}

  Status prepare() {
    auto workload = PassthroughWorkload::create({address_, false, 10'000, 16});
    if (!workload) return workload.error();
    workload_ = std::move(*workload);
    return {};
  }

  // The scenes take turns within a round, and each has its own run without abuse right before.
  Result<AbuseRow> measure(const Scene& scene) {
    std::vector<double> p50_without, p50_with, p99_without, p99_with;
    AbuseRow row{scene.name};
    for (int round = 0; round < options_.rounds; ++round) {
      const auto without = run_once();
      if (!without) return without.error();
      p50_without.push_back(static_cast<double>(without->accepted_ns.quantile(0.5)));
      p99_without.push_back(static_cast<double>(without->accepted_ns.quantile(0.99)));
      std::vector<std::unique_ptr<Abuser>> abusers;
      for (const Abuse abuse : scene.abusers)
        abusers.push_back(std::make_unique<Abuser>(abuse, resolved_));
      const auto with = run_once();
      if (!with) return with.error();
      p50_with.push_back(static_cast<double>(with->accepted_ns.quantile(0.5)));
      p99_with.push_back(static_cast<double>(with->accepted_ns.quantile(0.99)));
      uint64_t sent = 0;
      for (const auto& abuser : abusers) sent += abuser->sent();
      row.sent_bytes = std::max(row.sent_bytes, sent);
    }
    row.p50_without_ns = median(p50_without);
    row.p50_with_ns = median(p50_with);
    row.p99_without_ns = median(p99_without);
    row.p99_with_ns = median(p99_with);
    return row;
  }

 private:
  Result<LoadResult> run_once() {
    if (interrupted()) return Error(ErrorClass::kUnavailable, "interrupted");
    LoadOptions load;
    load.address = address_;
    load.connections = options_.connections;
    load.rate_per_s = options_.rate_per_s;
    load.duration_us = static_cast<int64_t>(options_.run_s * 1e6);
    load.progress = false;
    auto result = run_load(load, *workload_);
    if (!result) return result.error();
    const uint64_t failed = result->errors.total() + result->unanswered + result->lost;
    if (failed > 0) {
      return Error(ErrorClass::kUnavailable,
                   std::to_string(failed) + " commands of the well-behaved clients failed");
    }
    return result;
  }

  const AbuseOptions& options_;
  const std::string address_;
  const Address resolved_;
  std::unique_ptr<PassthroughWorkload> workload_;
};

std::string row_text(const std::vector<std::string>& words) {
  std::string line = "  " + padded(words[0], 36, false);
  for (size_t i = 1; i < words.size(); ++i) line += padded(words[i], 13);
  return line + "\n";
}

std::string latency(double ns) { return latency_text(static_cast<int64_t>(ns)); }

std::string mib(double bytes) { return with_commas(bytes / 1048576) + " MiB"; }

}  // namespace

Result<AbuseResult> measure_abuse(const AbuseOptions& options) {
  AbuseResult result;
  auto machine = describe_machine(options.stack.folder);
  if (!machine) return machine.error();
  result.machine = std::move(*machine);
  auto stack = Stack::create(options.stack);
  if (!stack) return stack.error();
  auto redis = (*stack)->start_redis("redis", {});
  if (!redis) return redis.error();
  auto proxy = (*stack)->start_proxy(*redis);
  if (!proxy) return proxy.error();
  auto resolved = resolve_address(*proxy);
  if (!resolved) return resolved.error();
  AbuseRun run(options, *proxy, std::move(*resolved));
  SLUICE_TRY(run.prepare());
  for (const Scene& scene : scenes()) {
    if (options.progress) std::fprintf(stderr, "abuse: %s\n", scene.name.c_str());
    auto row = run.measure(scene);
    if (!row) return row.error();
    result.rows.push_back(std::move(*row));
  }
  result.proxy_peak_bytes = peak_memory_bytes((*stack)->pid_of("sluice-proxy"));
  return result;
}

std::string abuse_text(const AbuseOptions& options, const AbuseResult& result) {
  std::string text = "\nLatency of " + std::to_string(options.connections) + " clients, " +
                     with_commas(options.rate_per_s) + " GET/s in all, beside an abusive one\n" +
                     "(medians of " + std::to_string(options.rounds) + " runs of " +
                     with_commas(options.run_s) + " s each, with and without in turns; " +
                     std::to_string(result.machine.cores) + " cores, " + result.machine.cpu +
                     ")\n\n" +
                     row_text({"", "p50 without", "with", "p99 without", "with", "p99 moved",
                               "it sent"});
  for (const AbuseRow& row : result.rows) {
    char moved[32];
    std::snprintf(moved, sizeof moved, "%+.0f %%", (row.p99_ratio() - 1) * 100);
    text += row_text({row.name, latency(row.p50_without_ns), latency(row.p50_with_ns),
                      latency(row.p99_without_ns), latency(row.p99_with_ns), moved,
                      mib(static_cast<double>(row.sent_bytes))});
  }
  return text + "\nPeak memory of the proxy: " +
         mib(static_cast<double>(result.proxy_peak_bytes)) + "\n";
}

std::string abuse_json(const AbuseOptions& options, const AbuseResult& result) {
  boost::json::array rows;
  for (const AbuseRow& row : result.rows) {
    rows.push_back({{"abuse", row.name},
                    {"p50_without_us", row.p50_without_ns / 1e3},
                    {"p50_with_us", row.p50_with_ns / 1e3},
                    {"p99_without_us", row.p99_without_ns / 1e3},
                    {"p99_with_us", row.p99_with_ns / 1e3},
                    {"p99_ratio", row.p99_ratio()},
                    {"sent_bytes", row.sent_bytes}});
  }
  return boost::json::serialize(
             boost::json::object{{"rounds", options.rounds},
                                 {"run_s", options.run_s},
                                 {"connections", options.connections},
                                 {"rate_per_s", options.rate_per_s},
                                 {"rows", rows},
                                 {"proxy_peak_bytes", result.proxy_peak_bytes}}) +
         "\n";
}

}  // namespace sluice::bench
