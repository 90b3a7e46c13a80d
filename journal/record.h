// One fact of a sale, as the journal keeps it and as every reader gets it.
//
// Flow: the purchase flow turns the accepted verdicts of one script batch into Records, in the
// order in which Redis decided them; group commit puts them into a frame; the flusher, recovery and
// sluice-ctl read them back. A record is self-contained: Redis and MySQL can be rebuilt from
// records alone. Byte layout: docs/journal_format.md.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/error.h"

namespace sluice::journal {

enum class RecordType : uint8_t {
  kCreate = 1,   // quantity = stock given; limit, start_ms, end_ms, hold_ms
  kRestock = 2,  // quantity = delta, may be negative
  kBuy = 3,      // user, request, order_id, quantity, fields
  kCancel = 4,   // user, request (of the cancel), order_id, quantity = what comes back
  kClose = 5,
  kReopen = 6,
  kChange = 7,  // limit, start_ms, end_ms, hold_ms: as they are from now on
  kDelete = 8,  // nothing more of the item comes from this lane; quantity = 1: from no other either
  kPay = 9,     // user, request (of the payment), order_id, quantity = the order's
  kExpire = 10,  // user, order_id, quantity = what comes back: it was not paid in time
  kRefund = 11,  // as kCancel, of an order that was paid
};

// Views point into the bytes that were decoded, or wherever the encoder's caller keeps them.
struct Record {
  RecordType type = RecordType::kBuy;
  // Set by the reader of segments only: place in this journal, from 1, without gaps; and the
  // journal's fingerprint up to and with this record.
  uint64_t sequence = 0;
  uint64_t fingerprint = 0;
  int64_t time_ms = 0;     // wall clock of the decision, ms since 1970 UTC
  uint64_t lane_sequence = 0;  // of the script batch that decided it, on its shelf
  uint64_t born = 0;           // an id of the lane that created the item: which of one name it is
  std::string_view item;
  std::string_view user;
  std::string_view request;  // empty: none was given
  uint64_t order_id = 0;
  int64_t quantity = 0;
  int64_t limit = 0;     // kCreate, kChange; 0: none, like those below
  int64_t start_ms = 0;
  int64_t end_ms = 0;
  int64_t hold_ms = 0;
  std::string_view fields;  // kBuy: encoded by append_field(), possibly empty

  bool operator==(const Record&) const = default;
};

// The time in an id that tells an order, or what an item was born as, by its proxy's clock: ms
// since 1970. proxy/sale/order_ids.h gives them out.
constexpr int64_t kIdEpochMs = 1'704'067'200'000;  // 2024-01-01T00:00:00Z
constexpr int64_t time_of_id(uint64_t id) { return static_cast<int64_t>(id >> 22) + kIdEpochMs; }
// And the proxy.id in it.
constexpr uint32_t proxy_of_id(uint64_t id) { return static_cast<uint32_t>(id >> 12) & 0x3ff; }

// Whether its order is over with it, and the quantity comes back.
constexpr bool gives_back(RecordType type) {
  return type == RecordType::kCancel || type == RecordType::kExpire || type == RecordType::kRefund;
}

// Whether it speaks of one order.
constexpr bool is_of_order(RecordType type) {
  return type == RecordType::kBuy || type == RecordType::kPay || gives_back(type);
}

// Whether it sets limit, start_ms, end_ms and hold_ms.
constexpr bool has_settings(RecordType type) {
  return type == RecordType::kCreate || type == RecordType::kChange;
}

// Appends the record's bytes (without sequence, which its frame implies).
void append_record(std::string& out, const Record& record);

// Decodes the record at the front of `bytes` and removes it from there. kCorrupt if malformed.
Result<Record> take_record(std::string_view& bytes);

// FIELDS k v [k v …] in the record's compact form: for each field 1 byte name length, name,
// 2 bytes little-endian value length, value.
void append_field(std::string& fields, std::string_view name, std::string_view value);

// Removes the first field from `fields` into name and value; false at the end or if malformed.
bool take_field(std::string_view& fields, std::string_view& name, std::string_view& value);

}  // namespace sluice::journal
