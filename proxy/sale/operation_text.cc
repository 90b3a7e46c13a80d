#include "proxy/sale/operation_text.h"

#include <algorithm>
#include <array>

#include "base/decimal.h"
#include "proxy/sale/msgpack.h"

namespace sluice::proxy::sale {
namespace {

constexpr size_t kNameBytesMax = 64;

}  // namespace

std::string_view take_until(std::string_view& text, char separator) {
  const size_t end = std::min(text.find(separator), text.size());
  const std::string_view token = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));
  return token;
}

void append_order_text(std::string& out, const Operation& op) {
  std::array<char, 64 + kNameBytesMax> text;
  char* at = base::put_decimal(text.data(), op.quantity);
  *at++ = ',';
  if (op.order_id != 0) at = base::put_decimal(at, op.order_id);
  *at++ = ',';
  at = std::copy(op.request.begin(), op.request.end(), at);
  append_string(out, std::string_view(text.data(), static_cast<size_t>(at - text.data())));
}

bool parse_order_text(std::string_view text, Operation& op) {
  take_until(text, ',');
  const std::string_view order = take_until(text, ',');
  op.request = text;
  return order.empty() || base::parse_decimal(order, op.order_id);
}

std::string item_user(Verb verb) { return {'/', static_cast<char>(verb)}; }

std::string encode_details(const std::vector<Operation>& operations) {
  std::string out;
  const auto has_fields = [](const Operation& op) { return !op.fields.empty(); };
  if (std::none_of(operations.begin(), operations.end(), has_fields)) return out;
  append_array_header(out, static_cast<uint32_t>(operations.size()));
  for (const Operation& op : operations) append_string(out, op.fields);
  return out;
}

}  // namespace sluice::proxy::sale
