// How the database does, as far as it says so itself: what pace and trigger judge.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace sluice::flusher {

// One of pace.replicas, when it was asked last.
struct ReplicaState {
  std::string name;               // "host:port", as configured
  std::optional<int64_t> lag_us;  // behind its source; nullopt: it does not apply what it is sent
  std::string error;              // not empty: nothing is known of it
};

struct ServerLoad {
  int64_t threads_running = 0;
  int64_t lock_waits = 0;  // sessions that waited for row locks, on average since the last look
  std::vector<ReplicaState> replicas;
};

// Where one of pace.replicas is.
struct ReplicaAddress {
  std::string name;  // as configured
  std::string host;
  uint16_t port;

  friend bool operator==(const ReplicaAddress&, const ReplicaAddress&) = default;
};

}  // namespace sluice::flusher
