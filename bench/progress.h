// The line a second on stderr that shows a person how the run goes.
#pragma once

#include <cstdint>

#include "bench/histogram.h"
#include "bench/reply.h"

namespace sluice::bench {

class Progress {
 public:
  explicit Progress(bool enabled) : enabled_(enabled) {}

  void start(int64_t now_ns) { start_ns_ = last_ns_ = now_ns; }
  void count(OutcomeKind kind, int64_t latency_ns) {
    if (!enabled_) return;
    ++counts_[static_cast<int>(kind)];
    latency_ns_.record(latency_ns);
  }
  // Prints when a second has passed since the last line.
  void tick(int64_t now_ns, uint64_t in_flight);
  void finish();

 private:
  const bool enabled_;
  int64_t start_ns_ = 0;
  int64_t last_ns_ = 0;
  bool printed_ = false;
  uint64_t counts_[3] = {};      // since the last line, by OutcomeKind
  LatencyHistogram latency_ns_;  // since the last line
};

}  // namespace sluice::bench
