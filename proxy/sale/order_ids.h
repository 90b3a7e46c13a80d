// Order ids: 64 bits that never repeat, made of time, proxy and counter.
//
//   bit 63: 0 | 41 bits: ms since 2024-01-01 UTC | 10 bits: proxy.id | 12 bits: counter
//
// Ids of one proxy only rise, also when the clock goes back: the counter then runs ahead of the
// clock until time has caught up, and start-up begins above the highest id of its own in journal
// and receipts. clock_watch.h sees to it that the milliseconds fit.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

namespace sluice::proxy::sale {

class OrderIds {
 public:
  explicit OrderIds(uint64_t proxy_id) : proxy_id_(proxy_id) {}

  // No id of the time and counter of `id`, or an earlier one, will be given out any more. Any
  // thread.
  void raise_above(uint64_t id);
  // This proxy's id of the same time and counter. Only such are compared as numbers: between two
  // proxies' ids of one millisecond the proxy decides.
  uint64_t as_own(uint64_t id) const;

  // Reserves n ids; the i-th is at(first, i). Any thread, lock-free.
  uint64_t take(size_t n, int64_t wall_ms);
  uint64_t at(uint64_t first, size_t i) const;

  // The id without its proxy bits: ms << 12 | counter.
  static uint64_t place_of(uint64_t order_id) { return order_id >> 22 << 12 | (order_id & 0xfff); }
  static uint64_t proxy_of(uint64_t order_id) { return (order_id >> 12) & 0x3ff; }
  bool is_own(uint64_t order_id) const { return proxy_of(order_id) == proxy_id_; }

 private:
  const uint64_t proxy_id_;
  std::atomic<uint64_t> next_{1};  // ms << 12 | counter: an id without its proxy bits
};

}  // namespace sluice::proxy::sale
