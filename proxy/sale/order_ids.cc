#include "proxy/sale/order_ids.h"

#include <algorithm>

#include "journal/record.h"

namespace sluice::proxy::sale {
namespace {

constexpr uint64_t kCounterMask = 0xfff;

}  // namespace

void OrderIds::raise_above(uint64_t id) {
  const uint64_t floor = place_of(id) + 1;
  uint64_t next = next_.load();
  while (next < floor && !next_.compare_exchange_weak(next, floor)) {
  }
}

uint64_t OrderIds::as_own(uint64_t id) const { return at(place_of(id), 0); }

uint64_t OrderIds::take(size_t n, int64_t wall_ms) {
  const uint64_t now = static_cast<uint64_t>(std::max<int64_t>(wall_ms - journal::kIdEpochMs, 0))
                       << 12;
  uint64_t next = next_.load();
  uint64_t first;
  do {
    first = std::max(next, now);
  } while (!next_.compare_exchange_weak(next, first + n));
  return first;
}

uint64_t OrderIds::at(uint64_t first, size_t i) const {
  const uint64_t place = first + i;
  return (place >> 12) << 22 | proxy_id_ << 12 | (place & kCounterMask);
}

}  // namespace sluice::proxy::sale
