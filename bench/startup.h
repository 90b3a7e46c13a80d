// How long the proxy takes to its first purchase: with a journal of which most is drained and
// compacted, on a Redis that has it all, and on one that lost everything.
//
// Private redis-server and proxy in a temporary folder; the journal is written and compacted by
// this process, with the library that proxy and flusher use. No MySQL: that records are drained
// only decides which segments are compacted.
#pragma once

#include <cstdint>
#include <string>

#include "base/error.h"

namespace sluice::bench {

struct StartupOptions {
  uint64_t drained = 1'000'000;  // purchases that are in MySQL
  uint64_t undrained = 100'000;  // purchases behind them
  uint32_t items = 8;
  std::string folder = "/var/tmp";  // parent of the data
  std::string bin_folder;           // where sluice-proxy is
};

struct StartupResult {
  uint64_t records = 0;  // in the journal
  double write_s = 0;
  double compact_s = 0;
  uint64_t segment_bytes = 0;      // all of them, covered or not
  uint64_t snapshot_bytes = 0;     // manifest and parts
  double rebuild_s = 0;            // from exec to /readyz, on an empty Redis
  int64_t rebuild_peak_bytes = 0;  // of the proxy's memory
  double start_s = 0;              // the same on a Redis that has everything
  int64_t start_peak_bytes = 0;
  double undrained_read_s = 0;  // reading the undrained records and nothing else
};

Result<StartupResult> measure_startup(const StartupOptions& options);

std::string startup_text(const StartupOptions& options, const StartupResult& result);
std::string startup_json(const StartupOptions& options, const StartupResult& result);

}  // namespace sluice::bench
