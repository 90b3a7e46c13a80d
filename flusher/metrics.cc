#include "flusher/metrics.h"

namespace sluice::flusher {

FlushMetrics::FlushMetrics(base::Registry& registry)
    : rows(registry.counter("sluice_flush_rows_total", "Orders inserted into MySQL.")),
      gone(registry.counter("sluice_flush_cancelled_without_row_total",
                            "Cancels of orders whose rows somebody has taken out of MySQL.")),
      seconds(registry.histogram("sluice_flush_seconds",
                                 "Duration of a committed transaction, from its first statement.",
                                 1e-6)) {
  for (size_t i = 0; i < retries.size(); ++i) {
    const auto kind = static_cast<sql::FailureKind>(i);
    retries[i] = &registry.counter("sluice_flush_retries_total",
                                   "Attempts that failed and are made again, by class of failure.",
                                   "class=\"" + std::string(sql::kind_name(kind)) + "\"");
  }
}

}  // namespace sluice::flusher
