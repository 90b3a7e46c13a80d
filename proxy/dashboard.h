// The dashboard's files (web/), as the build has put them into the program: GET / and its assets.
#pragma once

#include "http/server.h"

namespace sluice::proxy {

void add_dashboard_routes(http::Server& server);

}  // namespace sluice::proxy
