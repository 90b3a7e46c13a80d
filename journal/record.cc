#include "journal/record.h"

#include "journal/bytes.h"

namespace sluice::journal {
namespace {

// Offsets within the fixed part.
constexpr size_t kTypeAt = 0, kItemBytesAt = 1, kUserBytesAt = 2, kRequestBytesAt = 3;
constexpr size_t kFieldsBytesAt = 4, kReservedAt = 6;
constexpr size_t kTimeAt = 8, kLaneSequenceAt = 16, kOrderIdAt = 24, kQuantityAt = 32,
                 kBornAt = 40;

Error malformed(const char* why) {
  return Error(ErrorClass::kCorrupt, std::string("malformed record: ") + why);
}

std::string_view take_text(std::string_view& bytes, size_t length) {
  const std::string_view text = bytes.substr(0, length);
  bytes.remove_prefix(length);
  return text;
}

}  // namespace

void append_record(std::string& out, const Record& record) {
  SLUICE_ASSERT(record.item.size() <= kShortTextMax && record.user.size() <= kShortTextMax &&
                    record.request.size() <= kShortTextMax && record.fields.size() <= kLongTextMax,
                "a text of this record is longer than its length field can tell");
  put(out, static_cast<uint8_t>(record.type));
  put(out, static_cast<uint8_t>(record.item.size()));
  put(out, static_cast<uint8_t>(record.user.size()));
  put(out, static_cast<uint8_t>(record.request.size()));
  put(out, static_cast<uint16_t>(record.fields.size()));
  put(out, uint16_t{0});
  put(out, record.time_ms);
  put(out, record.lane_sequence);
  put(out, record.order_id);
  put(out, record.quantity);
  put(out, record.born);
  if (has_settings(record.type)) {
    for (const int64_t number :
         {record.limit, record.start_ms, record.end_ms, record.hold_ms}) {
      put(out, number);
    }
  }
  out.append(record.item).append(record.user).append(record.request).append(record.fields);
}

Result<Record> take_record(std::string_view& bytes) {
  if (bytes.size() < kRecordFixedBytes) return malformed("cut short in its fixed part");
  const auto type = get<uint8_t>(bytes, kTypeAt);
  if (type < uint8_t(RecordType::kCreate) || type > uint8_t(RecordType::kRefund)) {
    return malformed("unknown type");
  }
  if (get<uint16_t>(bytes, kReservedAt) != 0) return malformed("reserved bytes are not zero");
  Record record;
  record.type = static_cast<RecordType>(type);
  const size_t numbers =
      kRecordFixedBytes + (has_settings(record.type) ? kRecordSettingsBytes : 0);
  const size_t item = get<uint8_t>(bytes, kItemBytesAt), user = get<uint8_t>(bytes, kUserBytesAt);
  const size_t request = get<uint8_t>(bytes, kRequestBytesAt);
  const size_t fields = get<uint16_t>(bytes, kFieldsBytesAt);
  if (bytes.size() < numbers + item + user + request + fields) {
    return malformed("its lengths go beyond its frame");
  }
  record.time_ms = get<int64_t>(bytes, kTimeAt);
  record.lane_sequence = get<uint64_t>(bytes, kLaneSequenceAt);
  record.order_id = get<uint64_t>(bytes, kOrderIdAt);
  record.quantity = get<int64_t>(bytes, kQuantityAt);
  record.born = get<uint64_t>(bytes, kBornAt);
  if (has_settings(record.type)) {
    size_t at = kRecordFixedBytes;
    for (int64_t* number : {&record.limit, &record.start_ms, &record.end_ms, &record.hold_ms}) {
      *number = get<int64_t>(bytes, at);
      at += sizeof *number;
    }
  }
  bytes.remove_prefix(numbers);
  record.item = take_text(bytes, item);
  record.user = take_text(bytes, user);
  record.request = take_text(bytes, request);
  record.fields = take_text(bytes, fields);
  return record;
}

void append_field(std::string& fields, std::string_view name, std::string_view value) {
  SLUICE_ASSERT(name.size() <= kShortTextMax && value.size() <= kLongTextMax,
                "a field is longer than its length can tell");
  put(fields, static_cast<uint8_t>(name.size()));
  fields.append(name);
  put(fields, static_cast<uint16_t>(value.size()));
  fields.append(value);
}

bool take_field(std::string_view& fields, std::string_view& name, std::string_view& value) {
  if (fields.empty()) return false;
  const size_t name_bytes = get<uint8_t>(fields, 0);
  if (fields.size() < 1 + name_bytes + 2) return false;
  const size_t value_bytes = get<uint16_t>(fields, 1 + name_bytes);
  if (fields.size() < 1 + name_bytes + 2 + value_bytes) return false;
  fields.remove_prefix(1);
  name = take_text(fields, name_bytes);
  fields.remove_prefix(2);
  value = take_text(fields, value_bytes);
  return true;
}

}  // namespace sluice::journal
