// What the disk's promise costs: appending 4 KiB to a file and fdatasync, over and over; and a disk
// with nothing left to write, so that it is no other file's writes that are measured.
#pragma once

#include <string>

#include "base/error.h"
#include "bench/histogram.h"

namespace sluice::bench {

// Nanoseconds of each of `count` syncs of a file in `folder`, which is removed afterwards.
Result<LatencyHistogram> probe_syncs(const std::string& folder, int count);

// Returns when all that was written to the file system of `folder` is on its disk.
Status settle_disk(const std::string& folder);

}  // namespace sluice::bench
