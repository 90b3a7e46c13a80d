// The load generator: one thread, edge-triggered epoll, any number of connections.
//
// Closed loop (rate 0): every connection sends `pipeline` requests in one write, waits for all of
// their replies, then sends the next ones, as a driver's pipeline does. Open loop: request k is due
// at start + k / rate whatever the server does; it goes out on the next connection with room, at
// once when one gets room, and its latency counts from the moment at which it was due, so a stall
// of the server shows in every request that it delayed (no coordinated omission). How late it left
// is told apart, too: that is the generator, waiting for a processor or for a connection with room.
//
// Every run ends: sending stops after `requests` or `duration_us`, and whatever has no reply
// `patience_us` later is reported as unanswered. SIGINT and SIGTERM stop sending at once.
#pragma once

#include <cstdint>
#include <string>

#include "base/error.h"
#include "bench/histogram.h"
#include "bench/tally.h"
#include "bench/workload.h"

namespace sluice::bench {

struct LoadOptions {
  std::string address = "127.0.0.1:6379";
  int connections = 50;
  int pipeline = 1;       // requests in flight per connection at most
  double rate_per_s = 0;  // 0: closed loop
  uint64_t requests = 0;  // 0: until the duration is over
  int64_t duration_us = 10'000'000;
  int64_t patience_us = 60'000'000;
  bool retry = false;    // send again, same bytes: lost connections, BUSY, LOADING, UNKNOWNSTATE
  bool resp3 = false;    // HELLO 3 first
  bool progress = true;  // a line a second on stderr
};

struct LoadResult {
  uint64_t sent = 0;  // requests handed to a connection, retries not counted again
  uint64_t resent = 0;
  uint64_t accepted = 0;
  Tally refused;            // by outcome
  Tally errors;             // by prefix; with `retry`, errors that were retried are here, too
  uint64_t unanswered = 0;  // sent, but neither a reply nor a lost connection came in time
  uint64_t lost = 0;        // sent, then the connection broke, and `retry` was off
  uint64_t not_sent = 0;    // open loop: due before the end, but no connection had room
  uint64_t disconnects = 0;
  double elapsed_s = 0;  // from the first request to the last reply
  double own_cpu_s = 0;  // what the generator itself used of a core meanwhile
  bool interrupted = false;
  LatencyHistogram accepted_ns;
  LatencyHistogram refused_ns;
  LatencyHistogram sent_late_ns;  // open loop: from when a request was due until it left

  uint64_t answered() const { return accepted + refused.total() + errors.total(); }
  double per_second(uint64_t n) const {
    return elapsed_s > 0 ? static_cast<double>(n) / elapsed_s : 0;
  }
};

// Fails only if the run cannot begin: bad address, refused or slow connections, too many of them.
Result<LoadResult> run_load(const LoadOptions& options, Workload& workload);

}  // namespace sluice::bench
