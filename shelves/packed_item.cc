#include "shelves/packed_item.h"

#include <bit>
#include <cstring>

namespace sluice::shelves {
namespace {

static_assert(std::endian::native == std::endian::little, "items are packed little-endian");

constexpr size_t kWordBytes = 4, kChecksumBytes = 8;
constexpr uint64_t kWeights[] = {3,  5,  7,  11, 13, 17, 19, 23, 29, 31,
                                 37, 41, 43, 47, 53, 59, 61, 67, 71};
static_assert(sizeof kWeights / sizeof *kWeights * kWordBytes + kChecksumBytes == kPackedItemBytes);

uint64_t checksum(std::string_view packed) {
  uint64_t sum = 0;
  const char* at = packed.data();
  for (const uint64_t weight : kWeights) {
    uint32_t word;
    std::memcpy(&word, at, sizeof word);
    sum += weight * word;
    at += sizeof word;
  }
  return sum;
}

template <class Number>
void put(std::string& out, Number number) {
  out.append(reinterpret_cast<const char*>(&number), sizeof number);
}

template <class Number>
void take(std::string_view& from, Number& number) {
  std::memcpy(&number, from.data(), sizeof number);
  from.remove_prefix(sizeof number);
}

}  // namespace

std::string pack(const PackedItem& item) {
  std::string out;
  out.reserve(kPackedItemBytes);
  for (const uint32_t number : {item.stock, item.sold, item.fields, item.early}) put(out, number);
  put(out, item.born);
  for (const uint32_t number : {item.initial, item.limit}) put(out, number);
  for (const int64_t time : {item.start_ms, item.end_ms, item.hold_ms, item.since_ms})
    put(out, time);
  put(out, item.state);
  put(out, item.changed_ms);
  put(out, checksum(out));
  return out;
}

Result<PackedItem> unpack(std::string_view packed) {
  if (packed.size() != kPackedItemBytes) {
    return Error(ErrorClass::kCorrupt, "an item has " + std::to_string(packed.size()) +
                                           " bytes instead of " +
                                           std::to_string(kPackedItemBytes));
  }
  const uint64_t is = checksum(packed);
  PackedItem item;
  std::string_view rest = packed;
  for (uint32_t* number : {&item.stock, &item.sold, &item.fields, &item.early}) take(rest, *number);
  take(rest, item.born);
  for (uint32_t* number : {&item.initial, &item.limit}) take(rest, *number);
  for (int64_t* time : {&item.start_ms, &item.end_ms, &item.hold_ms, &item.since_ms})
    take(rest, *time);
  take(rest, item.state);
  uint64_t should_be = 0;
  take(rest, item.changed_ms);
  take(rest, should_be);
  if (is != should_be) return Error(ErrorClass::kCorrupt, "an item's checksum is wrong");
  const bool known =
      item.state >= PackedItem::State::kOpen && item.state <= PackedItem::State::kDeleting;
  if (!known) return Error(ErrorClass::kCorrupt, "an item is in no known state");
  return item;
}

}  // namespace sluice::shelves
