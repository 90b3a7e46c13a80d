// How fast the writers may go without hurting the database: additive increase, multiplicative
// decrease (as TCP does: RFC 5681), of rows per second over all writers.
//
// What the server suffers from (a COMMIT that took longer than pace.commit_latency, and what
// ServerLoad shows against pace.threads_running, lock_waits and replica_lag) halves the rate, at
// most once in kAdjustEveryUs. An interval without any of it adds a twentieth of the rate that was
// reached, or doubles the rate while it is far below where the suffering began: a trouble that is
// over must not slow the drain for long. pace.rows_per_second caps it. As long as nothing was ever
// slow there is no limit.
//
// Under a limit transactions shrink as well, so that what is sent is spread over the time and does
// not come in bursts of a whole batch; and their statements are short, since others wait for a core
// of the server until it is through with one.
//
// Threads: any; one mutex, taken a few times per transaction.
#pragma once

#include <cstddef>
#include <cstdint>
#include <mutex>
#include <string>

#include "flusher/options.h"
#include "flusher/server_load.h"

namespace sluice::flusher {

class Pace {
 public:
  // batch_rows_min: a transaction does not shrink below it.
  explicit Pace(const PaceOptions& options, int64_t batch_rows_min = 1)
      : batch_rows_min_(batch_rows_min), options_(options) {}

  void set_options(const PaceOptions& options);

  // How many rows one transaction should have, at most.
  size_t batch_rows() const;
  // How many orders one INSERT should have, at most.
  size_t statement_rows() const;
  // Takes `rows` out of the budget; returns the microseconds to wait before they are sent.
  int64_t take(uint64_t rows, int64_t now_us);

  // A run begins. If the server suffers already it begins slowly.
  void begin(const ServerLoad& load);
  // What was observed.
  void committed(uint64_t rows, int64_t commit_us, int64_t now_us);
  // One of our own transactions waited for a lock until its time was over.
  void lock_wait_ended(int64_t now_us);
  // `draining`: what the server suffers from may be our doing.
  void observe(const ServerLoad& load, bool draining, int64_t now_us);

  // What the server suffers from by the limits of pace.*; "": it is well.
  std::string suffers(const ServerLoad& load) const;
  // What holds the writers back now; "": nothing does.
  std::string held_by(int64_t now_us) const;
  // 0: no limit.
  int64_t rows_per_s() const;

 private:
  void overload(std::string why);
  void adjust(int64_t now_us);
  int64_t rate() const;

  const int64_t batch_rows_min_;
  mutable std::mutex mutex_;  // guards all below
  PaceOptions options_;
  int64_t rate_ = 0;           // the adaptive limit; 0: none
  int64_t free_at_us_ = 0;     // when the next row may go
  int64_t held_until_us_ = 0;  // by the last wait that is worth the name
  bool overloaded_ = false;    // in this interval
  bool is_felt_ = false;       // in this interval a writer had to wait
  std::string why_;            // the last overload
  int64_t interval_begin_us_ = 0;
  uint64_t interval_rows_ = 0;
  int64_t reached_per_s_ = 0;  // the best rate of an interval without overload
  int64_t knee_per_s_ = INT64_MAX;  // the rate in the interval in which the last overload began
  bool was_overloaded_ = false;     // in the interval before
};

}  // namespace sluice::flusher
