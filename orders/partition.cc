#include "orders/partition.h"

namespace sluice::orders {
namespace {

// The ids of 8 ms (proxy/sale/order_ids.h): a thousand orders or two in a flood, which a writer's
// queue holds several times, and a page or so when 10,000 are sold per second.
constexpr unsigned kRunBits = 22 + 3;

// FNV-1a, 64 bits: http://www.isthe.com/chongo/tech/comp/fnv/
uint64_t fnv1a(std::string_view bytes) {
  uint64_t hash = 0xcbf29ce484222325;
  for (const char byte : bytes) {
    hash ^= static_cast<unsigned char>(byte);
    hash *= 0x100000001b3;
  }
  return hash;
}

}  // namespace

uint32_t writer_of(const journal::Record& record, uint32_t writers) {
  if (journal::is_of_order(record.type)) {
    return static_cast<uint32_t>((record.order_id >> kRunBits) % writers);
  }
  // FNV's low bits hardly depend on the high ones (MurmurHash3's finalizer mixes them).
  uint64_t hash = fnv1a(record.item);
  hash ^= hash >> 33;
  hash *= 0xff51afd7ed558ccd;
  hash ^= hash >> 33;
  return static_cast<uint32_t>(hash % writers);
}

}  // namespace sluice::orders
