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
  std::atomic<int64_t> output_pause_bytes{256 << 10};
  std::atomic<int64_t> output_max_bytes{1LL << 30};
  std::atomic<int64_t> pinned_connections{1'000};
  std::atomic<int64_t> client_memory_bytes{1LL << 30};
  std::atomic<int64_t> memory_bytes{2LL << 30};  // of all clients
  // Times; 0: none.
  std::atomic<int64_t> login_timeout_us{5'000'000};
  std::atomic<int64_t> request_timeout_us{60'000'000};
  std::atomic<int64_t> output_timeout_us{60'000'000};
  std::atomic<int64_t> stop_timeout_us{1'000'000};
  // Constant after start-up.
  resp::RequestLimits request;
  int64_t query_buffer_bytes = 1LL << 30;
  int64_t script_cache_bytes = 32 << 20;
  int64_t login_buffer_bytes = 64 * 1024;
};

}  // namespace sluice::proxy::front
