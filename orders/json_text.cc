#include "orders/json_text.h"

#include <boost/beast/core/detail/base64.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>
#include <stdexcept>
#include <vector>

#include "journal/format.h"

namespace sluice::orders {
namespace {

namespace base64 = boost::beast::detail::base64;

// With or without its padding. Throws, as Boost.JSON does, if it is something else.
std::string from_base64(std::string_view text) {
  std::string bytes(base64::decoded_size(text.size() + 3), '\0');  // the last group may be short
  const auto [decoded, read] = base64::decode(bytes.data(), text.data(), text.size());
  if (text.find_first_not_of('=', read) != std::string_view::npos) {
    throw std::invalid_argument("a value is not base64");
  }
  bytes.resize(decoded);
  return bytes;
}

void append_json_value(std::string& out, std::string_view value) {
  if (is_utf8(value)) return append_json_string(out, value);
  out += "{\"base64\":\"";
  append_base64(out, value);
  out += "\"}";
}

struct Field {
  std::string_view name;
  std::string_view value;
};

// At most 32 of them by contract, so the quadratic search is short.
std::vector<Field> unique_fields(std::string_view encoded) {
  std::vector<Field> fields;
  Field next;
  while (journal::take_field(encoded, next.name, next.value)) {
    const auto same = std::find_if(fields.begin(), fields.end(),
                                   [&](const Field& field) { return field.name == next.name; });
    if (same == fields.end()) {
      fields.push_back(next);
    } else {
      same->value = next.value;
    }
  }
  return fields;
}

// The length of the UTF-8 sequence at the front of `text`; 0: malformed.
size_t sequence_length(std::string_view text) {
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char lead = byte(0);
  if (lead < 0x80) return 1;
  const size_t length = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
  if (lead < 0xC2 || lead > 0xF4 || text.size() < length) return 0;
  unsigned char low = 0x80;  // limits of the second byte exclude overlong forms and surrogates
  unsigned char high = 0xBF;
  if (lead == 0xE0) low = 0xA0;
  if (lead == 0xED) high = 0x9F;
  if (lead == 0xF0) low = 0x90;
  if (lead == 0xF4) high = 0x8F;
  if (byte(1) < low || byte(1) > high) return 0;
  for (size_t i = 2; i < length; ++i) {
    if ((byte(i) & 0xC0) != 0x80) return 0;
  }
  return length;
}

Result<journal::Record> record_of(const boost::json::object& object, std::string& storage) {
  std::string fields;
  if (const auto* given = object.if_contains("fields")) {
    for (const auto& [name, value] : given->as_object()) {
      const std::string bytes =
          value.is_string()
              ? std::string(value.as_string())
              : from_base64(std::string_view(value.as_object().at("base64").as_string()));
      if (name.size() > journal::kShortTextMax || bytes.size() > journal::kLongTextMax) {
        throw std::length_error("a field is too long");
      }
      journal::append_field(fields, std::string_view(name), bytes);
    }
  }
  const std::string item(object.at("item").as_string());
  const std::string user(object.at("user").as_string());
  const std::string request(object.at("request").as_string());
  storage = item + user + request + fields;
  const std::string_view all = storage;
  journal::Record record;
  record.item = all.substr(0, item.size());
  record.user = all.substr(item.size(), user.size());
  record.request = all.substr(item.size() + user.size(), request.size());
  record.fields = all.substr(item.size() + user.size() + request.size());
  // Numbers above 2^53 are strings, so that no reader of the table loses digits.
  record.order_id = std::stoull(std::string(object.at("order_id").as_string()));
  record.sequence = object.at("sequence").to_number<uint64_t>();
  record.time_ms = object.at("time_ms").to_number<int64_t>();
  record.quantity = object.at("quantity").to_number<int64_t>();
  return record;
}

}  // namespace

bool is_utf8(std::string_view text) {
  while (!text.empty()) {
    const size_t length = sequence_length(text);
    if (length == 0) return false;
    text.remove_prefix(length);
  }
  return true;
}

std::string_view type_word(journal::RecordType type) {
  switch (type) {
    case journal::RecordType::kCreate:
      return "create";
    case journal::RecordType::kRestock:
      return "restock";
    case journal::RecordType::kBuy:
      return "buy";
    case journal::RecordType::kCancel:
      return "cancel";
    case journal::RecordType::kClose:
      return "close";
    case journal::RecordType::kReopen:
      return "reopen";
    case journal::RecordType::kChange:
      return "change";
    case journal::RecordType::kDelete:
      return "delete";
    case journal::RecordType::kPay:
      return "pay";
    case journal::RecordType::kExpire:
      return "expire";
    case journal::RecordType::kRefund:
      return "refund";
  }
  return "unknown";
}

void append_base64(std::string& out, std::string_view bytes) {
  const size_t begin = out.size();
  out.resize(begin + base64::encoded_size(bytes.size()));
  out.resize(begin + base64::encode(out.data() + begin, bytes.data(), bytes.size()));
}

void append_json_string(std::string& out, std::string_view text) {
  constexpr char kDigits[] = "0123456789abcdef";
  out += '"';
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (byte < 0x20) {
      out += "\\u00";
      out += kDigits[byte >> 4];
      out += kDigits[byte & 15];
    } else {
      out += c;
    }
  }
  out += '"';
}

void append_json_fields(std::string& out, std::string_view fields,
                        const std::function<bool(std::string_view)>& left_out) {
  if (fields.empty()) return;
  bool any = false;
  for (const Field& field : unique_fields(fields)) {
    if (left_out(field.name)) continue;
    out += any ? ',' : '{';
    any = true;
    append_json_string(out, field.name);
    out += ':';
    append_json_value(out, field.value);
  }
  if (any) out += '}';
}

std::string record_json(const journal::Record& record) {
  std::string out = "{\"type\":\"" + std::string(type_word(record.type)) +
                    "\",\"sequence\":" + std::to_string(record.sequence) +
                    ",\"time_ms\":" + std::to_string(record.time_ms) + ",\"item\":";
  append_json_value(out, record.item);
  out += ",\"user\":";
  append_json_value(out, record.user);
  out += ",\"request\":";
  append_json_value(out, record.request);
  out += ",\"order_id\":\"" + std::to_string(record.order_id) +
         "\",\"quantity\":" + std::to_string(record.quantity);
  std::string fields;
  append_json_fields(fields, record.fields, [](std::string_view) { return false; });
  if (!fields.empty()) out += ",\"fields\":" + fields;
  out += '}';
  return out;
}

Result<journal::Record> parse_record_json(std::string_view json, std::string& storage) {
  try {
    return record_of(boost::json::parse(json).as_object(), storage);
  } catch (const std::exception& failure) {  // the text is not ours, or was edited
    return Error(ErrorClass::kCorrupt, std::string("dead letter: ") + failure.what());
  }
}

}  // namespace sluice::orders
