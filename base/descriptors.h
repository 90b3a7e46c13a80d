// How many file descriptors a proxy wants: what it raises its limit to, and what sluice-ctl doctor
// looks for.
#pragma once

#include <cstdint>

namespace sluice::base {

// For the journal, the event loops, the shared and the sale's connections, the admin listener.
inline constexpr int64_t kDescriptorsReserved = 256;

constexpr int64_t descriptors_wanted(int64_t clients, int64_t pinned_connections) {
  return clients + pinned_connections + kDescriptorsReserved;
}

}  // namespace sluice::base
