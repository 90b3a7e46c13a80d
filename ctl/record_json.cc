#include "ctl/record_json.h"

#include <boost/json.hpp>
#include <string_view>

#include "orders/json_text.h"

namespace sluice::ctl {
namespace {

namespace json = boost::json;
using journal::RecordType;

std::string base64(std::string_view bytes) {
  std::string out;
  orders::append_base64(out, bytes);
  return out;
}

json::value text_value(std::string_view text) {
  if (orders::is_utf8(text)) return json::string(text);
  return json::object{{"base64", base64(text)}};
}

bool has_quantity(RecordType type) {
  return type == RecordType::kCreate || type == RecordType::kRestock || type == RecordType::kBuy ||
         journal::gives_back(type);
}

json::object fields_object(std::string_view fields) {
  json::object object;
  std::string_view name, value;
  while (journal::take_field(fields, name, value)) {
    // Names are checked when a purchase comes in; one that is not text can only be a bug's.
    const std::string key = orders::is_utf8(name) ? std::string(name) : "base64:" + base64(name);
    object[key] = text_value(value);
  }
  return object;
}

}  // namespace

std::string record_json(const journal::Record& record) {
  json::object object;
  object["sequence"] = record.sequence;
  object["type"] = orders::type_word(record.type);
  object["time_ms"] = record.time_ms;
  object["lane_sequence"] = record.lane_sequence;
  object["item"] = text_value(record.item);
  object["born"] = std::to_string(record.born);
  if (!record.user.empty()) object["user"] = text_value(record.user);
  if (!record.request.empty()) object["request"] = text_value(record.request);
  if (record.order_id != 0) object["order_id"] = std::to_string(record.order_id);
  if (has_quantity(record.type)) {
    object["quantity"] = record.quantity;
  }
  if (journal::has_settings(record.type)) {
    object["limit"] = record.limit;
    object["start_ms"] = record.start_ms;
    object["end_ms"] = record.end_ms;
    object["hold_ms"] = record.hold_ms;
  }
  if (record.type == RecordType::kBuy) object["fields"] = fields_object(record.fields);
  return json::serialize(object);
}

std::string item_json(const journal::ItemKey& key, const journal::ItemState& item) {
  json::object object;
  object["item"] = text_value(key.name);
  object["born"] = std::to_string(key.born);
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
  object["last_lane_sequence"] = item.last_lane_sequence;
  object["last_order_id"] = std::to_string(item.last_order_id);
  return json::serialize(object);
}

}  // namespace sluice::ctl
