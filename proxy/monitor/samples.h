// The last ten minutes, a sample a second: rates are differences of counters that only count up.
//
// Written by the monitor's thread, read by any.
#pragma once

#include <boost/json/object.hpp>
#include <cstdint>
#include <deque>
#include <mutex>

namespace sluice::proxy::monitor {

struct Sample {
  int64_t time_ms = 0;  // wall clock, for people
  int64_t at_us = 0;    // monotonic, for rates
  // Counters since the start of this process.
  uint64_t accepted = 0, refused = 0, busy = 0;
  uint64_t drained = 0;  // records
  uint64_t written = 0;  // records, into the journal
  // Of this moment; -1: not known.
  int64_t backlog_rows = -1;
  double accept_p99_s = -1, redis_p99_s = -1, fsync_p99_s = -1;
};

struct Rates {
  double accepted = 0, refused = 0, busy = 0, drained = 0, written = 0;  // per second
};

class Samples {
 public:
  static constexpr size_t kMax = 600;

  void add(const Sample& sample);
  // Over the last `seconds`, or since the first sample.
  Rates rates(int64_t seconds) const;
  // A column each: {"time_ms": [...], "accepted_per_second": [...], …}; null: not known.
  boost::json::object history() const;

 private:
  // The newest sample and the one to compare it with.
  struct Span {
    Sample from, to;
    double seconds = 0;  // 0: there are no two
  };
  Span span(int64_t seconds) const;

  mutable std::mutex mutex_;
  std::deque<Sample> samples_;  // guarded by mutex_; oldest first
};

}  // namespace sluice::proxy::monitor
