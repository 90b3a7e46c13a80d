// The flusher's HTTP routes: status, metrics, health, and the operator's verbs.
#pragma once

#include "base/metrics.h"
#include "base/recent_quantiles.h"
#include "flusher/flush_loop.h"
#include "flusher/status.h"
#include "http/server.h"

namespace sluice::flusher {

// What the routes speak to; references outlive the server.
struct AdminContext {
  FlushLoop& loop;
  StatusBoard& status;
  base::Registry& metrics;
  base::FileSystem& fs;
  Options options;
  base::RecentQuantiles& flush_seconds;
};

void add_admin_routes(http::Server& server, const AdminContext& context);

// The body of GET /status. `flush_seconds`: of transactions that were committed of late.
std::string status_json(const StatusSnapshot& status, const base::Quantiles& flush_seconds);

// Gauges that are computed from the status when they are read.
void register_status_metrics(base::Registry& registry, const StatusBoard& status);

}  // namespace sluice::flusher
