// The proxy's HTTP admin routes: status, metrics, health, pause, resume, flush.
#pragma once

#include "base/metrics.h"
#include "http/server.h"
#include "proxy/health.h"
#include "proxy/sale/flusher_port.h"
#include "proxy/sale/sale.h"

namespace sluice::proxy {

// What the routes speak of; all outlives the server.
struct AdminContext {
  const base::Registry& metrics;
  sale::Sale& sale;
  const Health& health;
  sale::Shared& shared;
  sale::FlusherPort& flusher;
};

// Adds every route to `server`.
void add_admin_routes(http::Server& server, const AdminContext& context);

}  // namespace sluice::proxy
