// The bounds of the front, from the `limits.*` keys. Those that may change while the proxy runs are
// atomics: written by CONFIG SET and SIGHUP, read by every I/O thread.
#pragma once

#include <atomic>
#include <cstdint>

#include "resp/limits.h"

namespace sluice::proxy::front {

struct Limits {
  std::atomic<int64_t> clients{10'000};
  std::atomic<int64_t> commands_in_flight{10'000};
  std::atomic<int64_t> output_pause_bytes{1 << 20};
  std::atomic<int64_t> output_max_bytes{1LL << 30};
  std::atomic<int64_t> pinned_connections{1'000};
  std::atomic<int64_t> login_timeout_us{5'000'000};  // 0: none
  // Constant after start-up.
  resp::RequestLimits request;
  int64_t query_buffer_bytes = 1LL << 30;
};

}  // namespace sluice::proxy::front
