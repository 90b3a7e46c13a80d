#include "proxy/front/server_hello.h"

#include <optional>

#include "resp/reply_scanner.h"
#include "resp/request_parser.h"
#include "resp/writer.h"

namespace sluice::proxy::front {
namespace {

constexpr std::string_view kLineEnd = "\r\n";

// Takes one whole value from the front of `rest`; "" if there is none.
std::string_view take_value(std::string_view& rest) {
  resp::ReplyScanner scanner;
  const auto slice = scanner.scan(rest, 1);
  if (slice.broken || slice.replies != 1 || slice.push) return {};
  const std::string_view value = rest.substr(0, slice.bytes);
  rest.remove_prefix(slice.bytes);
  return value;
}

// The elements of an array or a map (names and values in turn); nothing if it is neither.
std::optional<std::vector<std::string_view>> elements_of(std::string_view value) {
  int64_t count = 0;
  const size_t end = value.find(kLineEnd);
  if (end == value.npos || (value[0] != '*' && value[0] != '%') ||
      !resp::parse_strict_integer(value.substr(1, end - 1), count) || count < 0)
    return std::nullopt;
  if (value[0] == '%') count *= 2;
  std::vector<std::string_view> elements;
  std::string_view rest = value.substr(end + kLineEnd.size());
  for (int64_t i = 0; i < count; ++i) {
    const std::string_view element = take_value(rest);
    if (element.empty()) return std::nullopt;
    elements.push_back(element);
  }
  return elements;
}

std::string_view text_of(std::string_view bulk) {
  const size_t end = bulk.find(kLineEnd);
  if (!bulk.starts_with('$') || end == bulk.npos || bulk.size() < end + 4) return {};
  return bulk.substr(end + 2, bulk.size() - end - 4);
}

// Modules are told as maps: in RESP2 as arrays of names and values.
std::string modules_in(std::string_view value, int protocol) {
  const auto modules = elements_of(value);
  if (!modules) return std::string(value);
  std::string out;
  resp::append_array_header(out, modules->size());
  for (const std::string_view module : *modules) {
    const auto fields = elements_of(module);
    if (!fields || fields->size() % 2 != 0) return std::string(value);
    resp::append_map_header(out, fields->size() / 2, protocol);
    for (const std::string_view field : *fields) out.append(field);
  }
  return out;
}

}  // namespace

Result<ServerHello> ServerHello::parse(std::string_view reply) {
  if (reply.starts_with('-'))
    return Error(ErrorClass::kRefused, std::string(reply.substr(1, reply.find(kLineEnd) - 1)));
  const auto elements = elements_of(reply);
  if (!elements || elements->size() % 2 != 0)
    return Error(ErrorClass::kInvalid, "its answer to HELLO is not one");
  ServerHello hello;
  for (size_t i = 0; i < elements->size(); i += 2) {
    const std::string_view name = text_of((*elements)[i]), value = (*elements)[i + 1];
    if (name.empty()) return Error(ErrorClass::kInvalid, "its answer to HELLO is not one");
    const bool modules = name == "modules";
    hello.fields_.push_back({std::string(name),
                             modules ? modules_in(value, 2) : std::string(value),
                             modules ? modules_in(value, 3) : std::string(value)});
  }
  return hello;
}

std::string ServerHello::reply(int protocol, int64_t id) const {
  std::string reply;
  resp::append_map_header(reply, fields_.size(), protocol);
  for (const Field& field : fields_) {
    resp::append_bulk(reply, field.name);
    if (field.name == "proto") resp::append_integer(reply, protocol);
    else if (field.name == "id") resp::append_integer(reply, id);
    else reply.append(protocol == 3 ? field.value3 : field.value2);
  }
  return reply;
}

}  // namespace sluice::proxy::front
