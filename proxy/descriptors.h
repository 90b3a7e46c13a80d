// Sees to it that clients alone can never use up the process's file descriptors: the journal's next
// segment and the connections to Redis must always find one.
#pragma once

#include "proxy/front/limits.h"

namespace sluice::proxy {

// Raises the soft limit (RLIMIT_NOFILE) as far as `limits` needs. If the hard limit does not allow
// that, lowers limits.clients and limits.pinned_connections to what fits, and warns.
void fit_descriptors(front::Limits& limits);

}  // namespace sluice::proxy
