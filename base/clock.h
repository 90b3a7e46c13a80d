// The two clocks: wall time for what people and databases see, monotonic time for durations.
#pragma once

#include <cstdint>

namespace sluice::base {

int64_t wall_ms();        // milliseconds since 1970-01-01 UTC; may go back
int64_t monotonic_us();   // microseconds since an arbitrary point; never goes back

}  // namespace sluice::base
