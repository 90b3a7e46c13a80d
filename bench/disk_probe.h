// What the disk's promise costs: appending 4 KiB to a file and fdatasync, over and over.
#pragma once

#include <string>

#include "base/error.h"
#include "bench/histogram.h"

namespace sluice::bench {

// Nanoseconds of each of `count` syncs of a file in `folder`, which is removed afterwards.
Result<LatencyHistogram> probe_syncs(const std::string& folder, int count);

}  // namespace sluice::bench
