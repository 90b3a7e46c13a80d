#include "bench/startup.h"

#include <boost/json.hpp>
#include <cstdio>
#include <fstream>
#include <memory>

#include "base/clock.h"
#include "base/file.h"
#include "bench/address.h"
#include "bench/http_probe.h"
#include "bench/process.h"
#include "bench/sale_journal.h"
#include "bench/stack.h"
#include "bench/text.h"
#include "journal/compactor.h"
#include "journal/reader.h"

namespace sluice::bench {
namespace {

constexpr int64_t kReadyTimeoutUs = 600'000'000;
constexpr int64_t kRetainMs = 24 * 3'600'000;  // segments stay, as they do for a day

double seconds_since(int64_t start_us) {
  return static_cast<double>(base::monotonic_us() - start_us) / 1e6;
}

// One start of the proxy, which then goes on running.
struct ProxyStart {
  std::unique_ptr<Process> process;
  double ready_s = 0;
  int64_t peak = 0;
};

class StartupRun {
 public:
  StartupRun(const StartupOptions& options, Stack& stack)
      : options_(options),
        dir_(stack.folder() + "/journal"),
        config_(stack.folder() + "/proxy.toml"),
        log_(stack.folder() + "/proxy.log") {}

  Status write_journal(StartupResult& result) {
    const int64_t start_us = base::monotonic_us();
    SLUICE_TRY(write_sale_journal({dir_, options_.items, options_.drained + options_.undrained}));
    result.write_s = seconds_since(start_us);
    result.records = options_.items + options_.drained + options_.undrained;
    return {};
  }

  Status compact(StartupResult& result) {
    const int64_t start_us = base::monotonic_us();
    journal::Compactor compactor(dir_, fs_);
    const auto passed = compactor.pass(first_undrained(), base::wall_ms(), kRetainMs);
    if (!passed) return passed.error();
    result.compact_s = seconds_since(start_us);
    const auto entries = fs_.list(dir_);
    if (!entries) return entries.error();
    for (const base::DirectoryEntry& entry : *entries) {
      (journal::segment_number(entry.name) != 0 ? result.segment_bytes : result.snapshot_bytes) +=
          entry.bytes;
    }
    return {};
  }

  Status read_undrained(StartupResult& result) {
    const int64_t start_us = base::monotonic_us();
    auto reader = journal::Reader::open(dir_, fs_, first_undrained());
    if (!reader) return reader.error();
    uint64_t records = 0;
    while (records < options_.undrained) {
      auto group = (*reader)->next();
      if (!group) return group.error();
      if (!*group) return Error(ErrorClass::kCorrupt, dir_ + ": records are missing");
      records += (*group)->records.size();
    }
    result.undrained_read_s = seconds_since(start_us);
    return {};
  }

  Result<ProxyStart> start_proxy(const std::string& redis) {
    const auto port = free_port();
    if (!port) return port.error();
    const auto admin_port = free_port();
    if (!admin_port) return admin_port.error();
    const std::string admin = "127.0.0.1:" + std::to_string(*admin_port);
    std::ofstream(config_) << "[listen]\naddress = \"127.0.0.1:" << *port
                           << "\"\n[admin]\naddress = \"" << admin << "\"\n[redis]\nservers = [\""
                           << redis << "\"]\n[journal]\ndir = \"" << dir_
                           << "\"\nmax_bytes = \"64GiB\"\n";
    ProxyStart started;
    const int64_t start_us = base::monotonic_us();
    auto process = Process::start(
        "sluice-proxy", {options_.bin_folder + "/sluice-proxy", "--config", config_}, log_);
    if (!process) return process.error();
    started.process = std::move(*process);
    SLUICE_TRY(wait_until_ready(*started.process, kReadyTimeoutUs,
                                [&] { return http_ok(admin, "/readyz"); }));
    started.ready_s = seconds_since(start_us);
    started.peak = peak_memory_bytes(started.process->pid());
    return started;
  }

 private:
  uint64_t first_undrained() const { return options_.items + options_.drained + 1; }

  const StartupOptions& options_;
  base::FileSystem& fs_ = base::posix_file_system();
  const std::string dir_, config_, log_;
};

std::string mib(uint64_t bytes) {
  return with_commas(static_cast<double>(bytes) / 1048576) + " MiB";
}

std::string row(const std::string& name, double seconds, const std::string& remark) {
  char text[32];
  std::snprintf(text, sizeof text, "%9.3f s", seconds);
  return "  " + padded(name, 34, false) + text + (remark.empty() ? "" : "   " + remark) + "\n";
}

}  // namespace

Result<StartupResult> measure_startup(const StartupOptions& options) {
  StackOptions stack_options;
  stack_options.folder = options.folder;
  auto stack = Stack::create(stack_options);
  if (!stack) return stack.error();
  StartupRun run(options, **stack);
  StartupResult result;
  SLUICE_TRY(run.write_journal(result));
  SLUICE_TRY(run.compact(result));
  auto redis = (*stack)->start_redis("redis", {});
  if (!redis) return redis.error();
  {
    auto first = run.start_proxy(*redis);
    if (!first) return first.error();
    result.rebuild_s = first->ready_s;
    result.rebuild_peak_bytes = first->peak;
  }
  auto second = run.start_proxy(*redis);
  if (!second) return second.error();
  result.start_s = second->ready_s;
  result.start_peak_bytes = second->peak;
  SLUICE_TRY(run.read_undrained(result));
  return result;
}

std::string startup_text(const StartupOptions& options, const StartupResult& result) {
  const auto records = static_cast<double>(result.records);
  const std::string rebuilt = with_commas(records / result.rebuild_s) + " records/s; peak memory " +
                              mib(static_cast<uint64_t>(result.rebuild_peak_bytes));
  return "\nStart of the proxy with " + with_commas(static_cast<double>(options.drained)) +
         " drained and " + with_commas(static_cast<double>(options.undrained)) +
         " undrained records, " + std::to_string(options.items) + " items\n" +
         row("the journal written", result.write_s, mib(result.segment_bytes) + " of segments") +
         row("drained segments compacted", result.compact_s,
             mib(result.snapshot_bytes) + " of snapshot") +
         row("first start, Redis empty: rebuilt", result.rebuild_s, rebuilt) +
         row("start, Redis has everything", result.start_s,
             with_commas(static_cast<double>(options.undrained) / result.start_s) +
                 " undrained records/s; peak memory " +
                 mib(static_cast<uint64_t>(result.start_peak_bytes))) +
         row("reading the undrained records", result.undrained_read_s, "") +
         row("the start beyond that", result.start_s - result.undrained_read_s, "");
}

std::string startup_json(const StartupOptions& options, const StartupResult& result) {
  return boost::json::serialize(
             boost::json::object{{"drained", options.drained},
                                 {"undrained", options.undrained},
                                 {"items", options.items},
                                 {"write_s", result.write_s},
                                 {"compact_s", result.compact_s},
                                 {"segment_bytes", result.segment_bytes},
                                 {"snapshot_bytes", result.snapshot_bytes},
                                 {"rebuild_s", result.rebuild_s},
                                 {"rebuild_peak_bytes", result.rebuild_peak_bytes},
                                 {"start_s", result.start_s},
                                 {"start_peak_bytes", result.start_peak_bytes},
                                 {"undrained_read_s", result.undrained_read_s}}) +
         "\n";
}

}  // namespace sluice::bench
