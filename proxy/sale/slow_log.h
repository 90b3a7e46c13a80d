// SECKILL.SLOWLOG: the slowest of the last operations on items, from arrival to reply, with what
// the client waited for in between: Redis, the journal, the gate.
//
// As Redis's SLOWLOG: `slowlog.log_slower_than`, `slowlog.max_len`, newest first. Any thread; an
// operation that is fast enough costs one comparison.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <mutex>
#include <string>

#include "proxy/sale/operation.h"

namespace sluice::proxy::sale {

class SlowLog {
 public:
  // A negative `slower_than_us` logs nothing.
  void configure(int64_t slower_than_us, size_t entries_max);

  void note(const Operation& op, int64_t took_us) {
    const int64_t limit_us = slower_than_us_.load(std::memory_order_relaxed);
    if (limit_us >= 0 && took_us >= limit_us) add(op, took_us);
  }
  // Whether also what takes no time is to be noted.
  bool notes_everything() const { return slower_than_us_.load(std::memory_order_relaxed) == 0; }
  size_t size() const;
  void reset();
  // The newest `count` entries as RESP: [id, unix seconds, microseconds, [verb, item, user]].
  std::string get(size_t count) const;

 private:
  struct Entry {
    int64_t id;
    int64_t unix_s;
    int64_t took_us;
    std::string verb, item, user;
  };

  void add(const Operation& op, int64_t took_us);

  std::atomic<int64_t> slower_than_us_{10'000};
  mutable std::mutex mutex_;
  // Guarded by mutex_.
  std::deque<Entry> entries_;  // the newest first
  size_t entries_max_ = 128;
  int64_t next_id_ = 0;
};

}  // namespace sluice::proxy::sale
