// The certificates that the proxy shows, to its clients and to Redis, over its lifetime: read again
// on SIGHUP, watched for their end. The main thread only.
#pragma once

#include "base/metrics.h"
#include "proxy/options.h"

namespace sluice::proxy {

// Says until when they are valid, as a warning if that is soon or over.
void log_certificates(const Options& options);

// Reads them anew; connections keep what they began with. What cannot be read is logged, and what
// was in force stays; false then.
bool reload_certificates(const Options& options);

// `options` outlives the registry's readers.
void register_certificate_metrics(const Options& options, base::Registry& registry);

}  // namespace sluice::proxy
