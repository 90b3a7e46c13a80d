// The proxy's HTTP admin routes: dashboard, status, events, metrics, health, operator's verbs.
#pragma once

#include "base/metrics.h"
#include "http/server.h"
#include "proxy/flusher_link.h"
#include "proxy/monitor/monitor.h"
#include "proxy/sale/sale.h"

namespace sluice::proxy {

// Adds every route to `server`; all arguments outlive it. Returns the stream of /events.
http::EventStream& add_admin_routes(http::Server& server, const base::Registry& metrics,
                                    sale::Sale& sale, sale::Shared& shared, FlusherLink& flusher,
                                    monitor::Monitor& monitor);

}  // namespace sluice::proxy
