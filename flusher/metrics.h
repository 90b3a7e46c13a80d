// The flusher's own metrics, registered once; updates from any thread.
#pragma once

#include <array>

#include "base/metrics.h"
#include "sql/failure.h"

namespace sluice::flusher {

struct FlushMetrics {
  explicit FlushMetrics(base::Registry& registry);

  base::Counter& retry(sql::FailureKind kind) { return *retries[static_cast<size_t>(kind)]; }

  base::Counter& rows;
  base::Counter& gone;
  base::Histogram& seconds;
  std::array<base::Counter*, static_cast<size_t>(sql::FailureKind::kOther) + 1> retries{};
};

}  // namespace sluice::flusher
