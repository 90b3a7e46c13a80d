#include "proxy/upstream/reply_value.h"

#include <algorithm>

#include "resp/names.h"
#include "resp/request_parser.h"

namespace sluice::proxy::upstream {
namespace {

constexpr size_t kDepthMax = 16;

bool read_nested(std::string_view& rest, ReplyValue& value, size_t depth) {
  const size_t end = rest.find("\r\n");
  if (end == rest.npos || end < 1 || depth > kDepthMax) return false;
  value.type = rest[0];
  const std::string_view line = rest.substr(1, end - 1);
  rest.remove_prefix(end + 2);
  if (value.type == '+' || value.type == '-') {
    value.text = line;
    return true;
  }
  if (!resp::parse_strict_integer(line, value.integer)) return false;
  if (value.type == ':' || value.integer == -1) return true;
  if (value.integer < 0) return false;
  const auto size = static_cast<size_t>(value.integer);
  if (value.type == '$') {
    if (rest.size() < size || rest.size() - size < 2) return false;
    value.text = rest.substr(0, size);
    rest.remove_prefix(size + 2);
    return true;
  }
  if (value.type != '*') return false;
  for (size_t i = 0; i < size; ++i) {
    if (!read_nested(rest, value.elements.emplace_back(), depth + 1)) return false;
  }
  return true;
}

}  // namespace

const ReplyValue* ReplyValue::field(std::string_view name) const {
  for (size_t i = 0; i + 1 < elements.size(); i += 2) {
    if (elements[i].text == name) return &elements[i + 1];
  }
  return nullptr;
}

int64_t ReplyValue::number(std::string_view name) const {
  const ReplyValue* value = field(name);
  return value == nullptr ? 0 : value->integer;
}

std::string_view ReplyValue::word(std::string_view name) const {
  const ReplyValue* value = field(name);
  return value == nullptr ? std::string_view() : value->text;
}

bool ReplyValue::has(std::string_view word) const {
  return std::any_of(elements.begin(), elements.end(), [&](const ReplyValue& element) {
    return resp::equals_ignoring_case(element.text, word);
  });
}

bool read_value(std::string_view& rest, ReplyValue& value) { return read_nested(rest, value, 0); }

}  // namespace sluice::proxy::upstream
