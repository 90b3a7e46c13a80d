// The proxy's HTTP admin routes: dashboard, status, events, metrics, health, operator's verbs.
#pragma once

#include "base/metrics.h"
#include "http/server.h"
#include "proxy/flusher_link.h"
#include "proxy/monitor/health.h"
#include "proxy/monitor/monitor.h"
#include "proxy/sale/sale.h"

namespace sluice::proxy {

// What the routes speak of; all outlives the server.
struct AdminContext {
  const base::Registry& metrics;
  const monitor::Health& health;
  sale::Shared& shared;
  FlusherLink& flusher;
  monitor::Monitor& monitor;
};

// Adds every route to `server`. Returns the stream of /events.
http::EventStream& add_admin_routes(http::Server& server, const AdminContext& context);

}  // namespace sluice::proxy
