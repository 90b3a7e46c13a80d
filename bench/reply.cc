#include "bench/reply.h"

#include <charconv>
#include <cstdint>
#include <cstring>

namespace sluice::bench {
namespace {

// One reply line: type, the text after it, and where the next line begins.
struct Line {
  char type = 0;
  std::string_view text;
  size_t next = 0;  // 0: the line is not complete
};

Line line_at(std::string_view bytes, size_t at) {
  if (at >= bytes.size()) return {};
  const char* start = bytes.data() + at;
  const void* end = std::memchr(start, '\r', bytes.size() - at);
  if (end == nullptr) return {};
  const size_t length = static_cast<size_t>(static_cast<const char*>(end) - start);
  if (at + length + 2 > bytes.size()) return {};
  return {start[0], std::string_view(start + 1, length - 1), at + length + 2};
}

bool parse_length(std::string_view text, int64_t& length) {
  const char* end = text.data() + text.size();
  const auto [rest, failure] = std::from_chars(text.data(), end, length);
  return failure == std::errc() && rest == end && length >= -1;
}

}  // namespace

size_t scan_reply(std::string_view bytes) {
  uint64_t values = 1;  // still to be read
  size_t at = 0;
  while (values > 0) {
    const Line line = line_at(bytes, at);
    if (line.next == 0) return 0;
    at = line.next;
    --values;
    int64_t length = 0;
    switch (line.type) {
      case '+':
      case '-':
      case ':':
      case '_':
      case '#':
      case ',':
      case '(':
        break;
      case '$':
      case '=':
      case '!':
        if (!parse_length(line.text, length)) return kReplyMalformed;
        if (length >= 0) at += static_cast<size_t>(length) + 2;
        if (at > bytes.size()) return 0;
        break;
      case '*':
      case '~':
      case '>':
        if (!parse_length(line.text, length)) return kReplyMalformed;
        if (length > 0) values += static_cast<uint64_t>(length);
        break;
      case '%':
      case '|':
        if (!parse_length(line.text, length)) return kReplyMalformed;
        if (length > 0) values += 2 * static_cast<uint64_t>(length);
        if (line.type == '|') ++values;  // an attribute goes before the value that it describes
        break;
      default:
        return kReplyMalformed;
    }
  }
  return at;
}

Outcome outcome_of(std::string_view reply) {
  if (reply.front() == '-' || reply.front() == '!') {
    const Line line = line_at(reply, 0);
    std::string_view text = line.text;
    if (reply.front() == '!') text = reply.substr(line.next);
    return {OutcomeKind::kError, text.substr(0, text.find_first_of(" \r"))};
  }
  if (reply.front() != '*') return {OutcomeKind::kAccepted, "OK"};
  const std::string_view first = array_element(reply, 0);
  return {first == "OK" ? OutcomeKind::kAccepted : OutcomeKind::kRefused, first};
}

std::string_view array_element(std::string_view reply, size_t index) {
  Line line = line_at(reply, 0);
  int64_t count = 0;
  if (line.type != '*' || !parse_length(line.text, count)) return {};
  size_t at = line.next;
  for (size_t i = 0; static_cast<int64_t>(i) < count; ++i) {
    line = line_at(reply, at);
    if (line.next == 0) return {};
    std::string_view value = line.text;
    at = line.next;
    if (line.type == '$') {
      int64_t length = 0;
      if (!parse_length(line.text, length)) return {};
      value = length < 0 ? std::string_view() : reply.substr(at, static_cast<size_t>(length));
      if (length >= 0) at += static_cast<size_t>(length) + 2;
    }
    if (i == index) return value;
  }
  return {};
}

}  // namespace sluice::bench
