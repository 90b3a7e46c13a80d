// How fast the writers may go without hurting the database: additive increase, multiplicative
// decrease (as TCP does: RFC 5681), of rows per second over all writers.
//
// A commit that took longer than pace.commit_latency, or more than pace.threads_running statements
// running on the server, halves the rate, at most once in kAdjustEvery; an interval without either
// adds a twentieth of the rate that was reached. pace.rows_per_second caps it. As long as nothing
// was ever slow there is no limit.
//
// Threads: any; one mutex, taken a few times per transaction.
#pragma once

#include <cstdint>
#include <mutex>

#include "flusher/options.h"

namespace sluice::flusher {

class Pace {
 public:
  explicit Pace(const PaceOptions& options) : options_(options) {}

  void set_options(const PaceOptions& options);

  // Takes `rows` out of the budget; returns the microseconds to wait before they are sent.
  int64_t take(uint64_t rows, int64_t now_us);
  // What was observed.
  void committed(uint64_t rows, int64_t commit_us, int64_t now_us);
  void threads_running(int64_t count, int64_t now_us);

  // 0: no limit.
  int64_t rows_per_s() const;

 private:
  void adjust(int64_t now_us);
  int64_t rate() const;

  mutable std::mutex mutex_;  // guards all below
  PaceOptions options_;
  int64_t rate_ = 0;         // the adaptive limit; 0: none
  int64_t free_at_us_ = 0;   // when the next row may go
  bool overloaded_ = false;  // in this interval
  int64_t interval_begin_us_ = 0;
  uint64_t interval_rows_ = 0;
  int64_t reached_per_s_ = 0;  // the best rate of an interval without overload
};

}  // namespace sluice::flusher
