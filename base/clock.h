// The two clocks: wall time for what people and databases see, monotonic time for durations.
#pragma once

#include <cstdint>
#include <string>

namespace sluice::base {

int64_t wall_ms();        // milliseconds since 1970-01-01 UTC; may go back
int64_t monotonic_us();   // microseconds since an arbitrary point; never goes back

// "2026-11-30 08:22:44 UTC", of a wall time.
std::string utc_text(int64_t ms);

}  // namespace sluice::base
