#include "proxy/sale/operation_text.h"

#include <algorithm>
#include <array>

#include "base/decimal.h"
#include "proxy/sale/msgpack.h"

namespace sluice::proxy::sale {
namespace {

constexpr size_t kNameBytesMax = 64;

void append_definition(std::string& out, const Operation& op) {
  for (const int64_t number : {op.limit, op.start_ms, op.end_ms, op.hold_ms})
    out += std::to_string(number) + ",";
  out += std::to_string(op.order_id & 0xffff'ffff) + "," + std::to_string(op.order_id >> 32);
}

bool parse_definition(std::string_view text, Operation& op) {
  for (int64_t* number : {&op.limit, &op.start_ms, &op.end_ms, &op.hold_ms}) {
    if (!base::parse_decimal(take_until(text, ','), *number)) return false;
  }
  uint32_t low = 0, high = 0;
  if (!base::parse_decimal(take_until(text, ','), low) || !base::parse_decimal(text, high))
    return false;
  op.order_id = uint64_t{high} << 32 | low;
  return true;
}

void append_order(std::string& out, const Operation& op) {
  std::array<char, 64 + kNameBytesMax> text;
  char* at = base::put_decimal(text.data(), op.quantity);
  *at++ = ',';
  if (op.order_id != 0) at = base::put_decimal(at, op.order_id);
  *at++ = ',';
  at = std::copy(op.request.begin(), op.request.end(), at);
  out.append(text.data(), static_cast<size_t>(at - text.data()));
}

bool parse_order(std::string_view text, Operation& op) {
  if (std::count(text.begin(), text.end(), ',') != 2) return false;
  take_until(text, ',');
  const std::string_view order = take_until(text, ',');
  op.request = text;
  return order.empty() || base::parse_decimal(order, op.order_id);
}

}  // namespace

std::string_view take_until(std::string_view& text, char separator) {
  const size_t end = std::min(text.find(separator), text.size());
  const std::string_view token = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));
  return token;
}

bool take_line(std::string_view& text, std::string_view& line) {
  if (text.find('\n') == text.npos) return false;
  line = take_until(text, '\n');
  return true;
}

void append_operation_text(std::string& out, const Operation& op) {
  if (op.verb == Verb::kCreate || op.verb == Verb::kChange) {
    append_definition(out, op);
  } else if (op.verb == Verb::kReopen) {
    out += std::to_string(op.hold_ms);
  } else if (op.verb == Verb::kDelete) {
    out += std::to_string(op.order_id);
  } else {
    append_order(out, op);
  }
}

bool parse_operation_text(std::string_view text, Operation& op) {
  if (op.verb == Verb::kReopen) return base::parse_decimal(text, op.hold_ms);
  if (op.verb == Verb::kDelete) return base::parse_decimal(text, op.order_id);
  const bool defines = op.verb == Verb::kCreate || op.verb == Verb::kChange;
  return defines ? parse_definition(text, op) : parse_order(text, op);
}

std::string item_user(Verb verb) { return {'/', static_cast<char>(verb)}; }

void append_details(std::string& out, const std::vector<Operation>& operations) {
  const auto has_fields = [](const Operation& op) { return !op.fields.empty(); };
  if (std::none_of(operations.begin(), operations.end(), has_fields)) return;
  append_array_header(out, static_cast<uint32_t>(operations.size()));
  for (const Operation& op : operations) append_string(out, op.fields);
}

bool parse_details(std::string_view text, std::vector<Operation>& operations) {
  if (text.empty()) return true;
  MsgpackReader reader(text);
  if (reader.array_header() != operations.size()) return false;
  for (Operation& op : operations) op.fields = reader.string();
  return reader.ok() && reader.at_end();
}

}  // namespace sluice::proxy::sale
