#include "orders/partition.h"

namespace sluice::orders {
namespace {

// FNV-1a, 64 bits: http://www.isthe.com/chongo/tech/comp/fnv/
uint64_t fnv1a(uint64_t hash, std::string_view bytes) {
  for (const char byte : bytes) {
    hash ^= static_cast<unsigned char>(byte);
    hash *= 0x100000001b3;
  }
  return hash;
}

}  // namespace

uint32_t writer_of(const journal::Record& record, uint32_t writers) {
  using journal::RecordType;
  uint64_t hash = fnv1a(0xcbf29ce484222325, record.item);
  if (record.type == RecordType::kBuy || record.type == RecordType::kCancel) {
    hash = fnv1a(fnv1a(hash, std::string_view("\0", 1)), record.user);
  }
  // FNV's low bits hardly depend on the high ones (MurmurHash3's finalizer mixes them).
  hash ^= hash >> 33;
  hash *= 0xff51afd7ed558ccd;
  hash ^= hash >> 33;
  return static_cast<uint32_t>(hash % writers);
}

}  // namespace sluice::orders
