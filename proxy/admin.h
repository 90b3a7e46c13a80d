// The proxy's HTTP admin routes: status, metrics, health, pause, resume, flush.
#pragma once

#include "base/metrics.h"
#include "http/server.h"
#include "proxy/sale/flusher_port.h"
#include "proxy/sale/sale.h"

namespace sluice::proxy {

// Adds every route to `server`; all arguments outlive it.
void add_admin_routes(http::Server& server, const base::Registry& metrics, sale::Sale& sale,
                      sale::Shared& shared, sale::FlusherPort& flusher);

}  // namespace sluice::proxy
