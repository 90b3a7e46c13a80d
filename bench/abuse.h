// What abusive clients cost the others: the latency of 50 well-behaved ones without and with each
// kind of abuse, in turns, because only figures of the same minutes can be compared.
//
// Private redis-server and proxy. Open loop at a rate that leaves the machine idle most of the
// time, since under full load any client costs the others something.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/error.h"
#include "bench/machine.h"
#include "bench/stack.h"

namespace sluice::bench {

struct AbuseOptions {
  StackOptions stack;
  int rounds = 5;
  double run_s = 5;
  int connections = 50;
  double rate_per_s = 5'000;
  bool progress = true;
};

// Medians over the rounds.
struct AbuseRow {
  std::string name;
  double p50_without_ns = 0, p50_with_ns = 0;
  double p99_without_ns = 0, p99_with_ns = 0;
  uint64_t sent_bytes = 0;  // that the abusers got rid of, in the largest round

  double p99_ratio() const { return p99_without_ns > 0 ? p99_with_ns / p99_without_ns : 0; }
};

struct AbuseResult {
  Machine machine;
  std::vector<AbuseRow> rows;
  int64_t proxy_peak_bytes = 0;
};

Result<AbuseResult> measure_abuse(const AbuseOptions& options);

std::string abuse_text(const AbuseOptions& options, const AbuseResult& result);
std::string abuse_json(const AbuseOptions& options, const AbuseResult& result);

}  // namespace sluice::bench
