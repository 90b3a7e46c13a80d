#include "bench/progress.h"

#include <cinttypes>
#include <cstdio>
#include <string>

#include "bench/text.h"

namespace sluice::bench {

void Progress::tick(int64_t now_ns, uint64_t in_flight) {
  if (!enabled_ || now_ns - last_ns_ < 1'000'000'000) return;
  const double seconds = static_cast<double>(now_ns - last_ns_) / 1e9;
  const auto rate = [&](OutcomeKind kind) {
    return with_commas(static_cast<double>(counts_[static_cast<int>(kind)]) / seconds);
  };
  std::fprintf(stderr,
               "%5.1f s  accepted %s/s  refused %s/s  errors %s/s  in flight %" PRIu64 "  p99 %s\n",
               static_cast<double>(now_ns - start_ns_) / 1e9, rate(OutcomeKind::kAccepted).c_str(),
               rate(OutcomeKind::kRefused).c_str(), rate(OutcomeKind::kError).c_str(), in_flight,
               latency_text(latency_ns_.quantile(0.99)).c_str());
  printed_ = true;
  last_ns_ = now_ns;
  latency_ns_.clear();
  for (uint64_t& count : counts_) count = 0;
}

void Progress::finish() {
  if (printed_) std::fprintf(stderr, "\n");
}

}  // namespace sluice::bench
