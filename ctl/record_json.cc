#include "ctl/record_json.h"

#include <boost/json.hpp>
#include <cstdint>
#include <string_view>

namespace sluice::ctl {
namespace {

namespace json = boost::json;
using journal::RecordType;

std::string_view type_text(RecordType type) {
  switch (type) {
    case RecordType::kCreate: return "create";
    case RecordType::kRestock: return "restock";
    case RecordType::kBuy: return "buy";
    case RecordType::kCancel: return "cancel";
    case RecordType::kClose: return "close";
    case RecordType::kReopen: return "reopen";
  }
  return "";
}

// The length of the UTF-8 sequence at the front of `text`, 0 if it is not valid: Unicode 15,
// table 3-7 (no overlong forms, no surrogates, at most U+10FFFF).
size_t utf8_sequence(std::string_view text) {
  const auto byte = [&](size_t i) { return static_cast<uint8_t>(text[i]); };
  const auto tail = [&](size_t i) { return i < text.size() && (byte(i) & 0xc0) == 0x80; };
  const uint8_t lead = byte(0);
  if (lead < 0x80) return 1;
  if (lead >= 0xc2 && lead <= 0xdf) return tail(1) ? 2 : 0;
  if (lead >= 0xe0 && lead <= 0xef) {
    if (!tail(1) || !tail(2)) return 0;
    const bool overlong = lead == 0xe0 && byte(1) < 0xa0;
    const bool surrogate = lead == 0xed && byte(1) > 0x9f;
    return overlong || surrogate ? 0 : 3;
  }
  if (lead >= 0xf0 && lead <= 0xf4) {
    if (!tail(1) || !tail(2) || !tail(3)) return 0;
    const bool overlong = lead == 0xf0 && byte(1) < 0x90;
    const bool beyond = lead == 0xf4 && byte(1) > 0x8f;
    return overlong || beyond ? 0 : 4;
  }
  return 0;
}

bool is_utf8(std::string_view text) {
  while (!text.empty()) {
    const size_t length = utf8_sequence(text);
    if (length == 0) return false;
    text.remove_prefix(length);
  }
  return true;
}

std::string base64(std::string_view bytes) {
  constexpr std::string_view kDigits =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  for (size_t i = 0; i < bytes.size(); i += 3) {
    const std::string_view group = bytes.substr(i, 3);
    uint32_t bits = 0;
    for (size_t k = 0; k < 3; ++k) {
      bits = (bits << 8) | (k < group.size() ? static_cast<uint8_t>(group[k]) : 0u);
    }
    for (size_t k = 0; k < 4; ++k) {
      out += k <= group.size() ? kDigits[(bits >> (18 - 6 * k)) & 63] : '=';
    }
  }
  return out;
}

json::value text_value(std::string_view text) {
  if (is_utf8(text)) return json::string(text);
  return json::object{{"base64", base64(text)}};
}

json::object fields_object(std::string_view fields) {
  json::object object;
  std::string_view name, value;
  while (journal::take_field(fields, name, value)) {
    // Names are checked when a purchase comes in; one that is not text can only be a bug's.
    object[is_utf8(name) ? std::string(name) : "base64:" + base64(name)] = text_value(value);
  }
  return object;
}

}  // namespace

std::string record_json(const journal::Record& record) {
  json::object object;
  object["sequence"] = record.sequence;
  object["type"] = type_text(record.type);
  object["time_ms"] = record.time_ms;
  object["batch"] = record.batch;
  object["item"] = text_value(record.item);
  if (!record.user.empty()) object["user"] = text_value(record.user);
  if (!record.request.empty()) object["request"] = text_value(record.request);
  if (record.order_id != 0) object["order_id"] = std::to_string(record.order_id);
  if (record.type != RecordType::kClose && record.type != RecordType::kReopen) {
    object["quantity"] = record.quantity;
  }
  if (record.type == RecordType::kCreate) {
    object["limit"] = record.limit;
    object["start_ms"] = record.start_ms;
    object["end_ms"] = record.end_ms;
  }
  if (record.type == RecordType::kBuy) object["fields"] = fields_object(record.fields);
  return json::serialize(object);
}

std::string item_json(const std::string& name, const journal::ItemState& item) {
  json::object object;
  object["item"] = text_value(name);
  object["created"] = item.created;
  object["stock"] = item.given;
  object["sold"] = item.sold;
  object["cancelled"] = item.cancelled;
  object["limit"] = item.limit;
  object["start_ms"] = item.start_ms;
  object["end_ms"] = item.end_ms;
  object["closed_ms"] = item.closed_ms;
  object["records"] = item.records;
  object["first_sequence"] = item.first_sequence;
  object["last_sequence"] = item.last_sequence;
  object["last_batch"] = item.last_batch;
  object["last_order_id"] = std::to_string(item.last_order_id);
  return json::serialize(object);
}

}  // namespace sluice::ctl
