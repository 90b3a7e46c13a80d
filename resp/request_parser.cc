#include "resp/request_parser.h"

#include <algorithm>
#include <climits>
#include <cstring>

namespace sluice::resp {
namespace {

bool is_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

char unescaped(char c) {
  switch (c) {
    case 'n': return '\n';
    case 'r': return '\r';
    case 't': return '\t';
    case 'b': return '\b';
    case 'a': return '\a';
    default: return c;
  }
}

// Where the '\r' is. A count has a digit or two: for those a call of memchr() is the longer way.
size_t find_line_end(std::string_view rest) {
  const size_t near = std::min<size_t>(rest.size(), 8);
  for (size_t i = 0; i < near; ++i) {
    if (rest[i] == '\r') return i;
  }
  return rest.find('\r', near);
}

// Reads "$N\r\n" with one digit or two, as nearly all arguments have it; returns its size. 0: it is
// something else, or not all there.
size_t read_short_header(std::string_view rest, int64_t& length) {
  const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
  if (rest.size() < 5 || rest[0] != '$' || !is_digit(rest[1])) return 0;
  length = rest[1] - '0';
  if (rest[2] == '\r') return 4;
  if (length == 0 || !is_digit(rest[2]) || rest[3] != '\r') return 0;
  length = length * 10 + (rest[2] - '0');
  return 5;
}

// The inside of "…" from `i` (behind the quote) on; false if it does not end properly.
bool read_double_quoted(std::string_view line, size_t& i, std::string& out) {
  for (; i < line.size(); ++i) {
    const char c = line[i];
    if (c == '"') {
      ++i;
      return i == line.size() || is_space(line[i]);
    }
    if (c != '\\' || i + 1 == line.size()) {
      out.push_back(c);
      continue;
    }
    if (line[i + 1] == 'x' && i + 3 < line.size() && hex_digit(line[i + 2]) >= 0 &&
        hex_digit(line[i + 3]) >= 0) {
      out.push_back(static_cast<char>(hex_digit(line[i + 2]) * 16 + hex_digit(line[i + 3])));
      i += 3;
    } else {
      out.push_back(unescaped(line[++i]));
    }
  }
  return false;
}

bool read_single_quoted(std::string_view line, size_t& i, std::string& out) {
  for (; i < line.size(); ++i) {
    if (line[i] == '\'') {
      ++i;
      return i == line.size() || is_space(line[i]);
    }
    if (line[i] == '\\' && i + 1 < line.size() && line[i + 1] == '\'') ++i;
    out.push_back(line[i]);
  }
  return false;
}

}  // namespace

bool parse_strict_integer(std::string_view text, int64_t& value) {
  const bool negative = !text.empty() && text[0] == '-';
  if (negative) text.remove_prefix(1);
  if (text.empty() || text.size() > 19) return false;
  if (text == "0" && !negative) {
    value = 0;
    return true;
  }
  if (text[0] < '1' || text[0] > '9') return false;
  uint64_t number = 0;  // 19 digits fit
  for (char c : text) {
    if (c < '0' || c > '9') return false;
    number = number * 10 + static_cast<uint64_t>(c - '0');
  }
  const uint64_t bound = static_cast<uint64_t>(INT64_MAX) + (negative ? 1 : 0);
  if (number > bound) return false;
  value = negative ? static_cast<int64_t>(0 - number) : static_cast<int64_t>(number);
  return true;
}

RequestParser::State RequestParser::parse(std::string_view data) {
  if (data.data() != base_) rebase(data.data());
  while (true) {
    if (step_ == Step::kStart) {
      if (start_ >= data.size()) return State::kNeedMore;
      inline_ = data[start_] != '*';
      step_ = Step::kHeader;
    }
    State state;
    if (inline_) {
      state = parse_inline(data);
    } else {
      state = step_ == Step::kHeader ? parse_header(data) : State::kCommand;
      if (state == State::kCommand && arguments_left_ > 0) state = parse_arguments(data);
    }
    if (state != State::kCommand || !args_.empty()) return state;
    // "*0", "*-1" and empty lines are no commands: Redis passes over them without a reply.
    start_ = position_;
    step_ = Step::kStart;
  }
}

void RequestParser::next() {
  start_ = position_ = 0;
  step_ = Step::kStart;
  bulk_bytes_ = -1;
  arguments_left_ = 0;
  if (args_.capacity() > kKeptArguments) std::vector<std::string_view>().swap(args_);
  args_.clear();
  if (inline_args_.capacity() > kKeptInlineArguments) std::vector<std::string>().swap(inline_args_);
  if (!inline_args_.empty()) inline_args_.clear();
}

size_t RequestParser::drop_skipped() {
  const size_t skipped = start_;
  base_ += skipped;
  position_ -= skipped < position_ ? skipped : position_;
  start_ = 0;
  return skipped;
}

RequestParser::State RequestParser::parse_inline(std::string_view data) {
  const std::string_view rest = data.substr(start_);
  const size_t newline = rest.find('\n');
  std::string_view line = rest.substr(0, newline);
  // Not of the line, also where its '\n' has not arrived yet.
  if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
  if (static_cast<int64_t>(line.size()) > limits_->line_bytes_max)
    return fail("too big inline request");
  if (newline == std::string_view::npos) return State::kNeedMore;
  if (!split_inline(line)) return fail("unbalanced quotes in request");
  position_ = start_ + newline + 1;
  return State::kCommand;
}

// sdssplitargs: words separated by white space, "…" with escapes, '…' with \' only.
bool RequestParser::split_inline(std::string_view line) {
  size_t i = 0;
  while (true) {
    while (i < line.size() && is_space(line[i])) ++i;
    if (i == line.size()) break;
    std::string& word = inline_args_.emplace_back();
    while (i < line.size() && !is_space(line[i])) {
      const char c = line[i++];
      if (c == '"') {
        if (!read_double_quoted(line, i, word)) return false;
      } else if (c == '\'') {
        if (!read_single_quoted(line, i, word)) return false;
      } else {
        word.push_back(c);
      }
    }
  }
  args_.assign(inline_args_.begin(), inline_args_.end());
  return true;
}

RequestParser::State RequestParser::parse_header(std::string_view data) {
  const std::string_view rest = data.substr(start_ + 1);
  const size_t end = find_line_end(rest);
  if (end == std::string_view::npos || end + 1 >= rest.size()) {
    if (static_cast<int64_t>(rest.size()) > limits_->line_bytes_max)
      return fail("too big mbulk count string");
    return State::kNeedMore;
  }
  int64_t count = 0;
  if (!parse_strict_integer(rest.substr(0, end), count) || count > limits_->arguments_max)
    return fail("invalid multibulk length");
  if (!authenticated_ && count > limits_->login_arguments_max)
    return fail("unauthenticated multibulk length");
  position_ = start_ + 1 + end + 2;  // like Redis, whatever stands in the place of '\n'
  arguments_left_ = count > 0 ? count : 0;
  step_ = Step::kArgument;
  return State::kCommand;
}

RequestParser::State RequestParser::parse_arguments(std::string_view data) {
  while (arguments_left_ > 0) {
    if (bulk_bytes_ < 0) {
      const State state = parse_bulk_header(data.substr(position_));
      if (state != State::kCommand) return state;
    }
    const size_t length = static_cast<size_t>(bulk_bytes_);
    if (data.size() < position_ + length + 2) return State::kNeedMore;
    args_.push_back(data.substr(position_, length));
    position_ += length + 2;
    bulk_bytes_ = -1;
    --arguments_left_;
  }
  return State::kCommand;
}

// kCommand: bulk_bytes_ is set, and position_ behind it.
RequestParser::State RequestParser::parse_bulk_header(std::string_view rest) {
  int64_t length = 0;
  size_t header_bytes = read_short_header(rest, length);
  if (header_bytes == 0) {
    const size_t end = find_line_end(rest);
    if (end == std::string_view::npos || end + 1 >= rest.size()) {
      if (static_cast<int64_t>(rest.size()) > limits_->line_bytes_max)
        return fail("too big bulk count string");
      return State::kNeedMore;
    }
    if (rest[0] != '$') {
      const char got = rest[0] == '\r' || rest[0] == '\n' ? ' ' : rest[0];
      return fail(std::string("expected '$', got '") + got + "'");
    }
    if (!parse_strict_integer(rest.substr(1, end - 1), length) || length < 0)
      return fail("invalid bulk length");
    header_bytes = end + 2;
  }
  if (length > limits_->bulk_bytes_max) return fail("invalid bulk length");
  if (!authenticated_ && length > limits_->login_bulk_bytes_max)
    return fail("unauthenticated bulk length");
  bulk_bytes_ = length;
  position_ += header_bytes;
  return State::kCommand;
}

// The caller moved its buffer: the arguments found so far move along.
void RequestParser::rebase(const char* base) {
  for (std::string_view& arg : args_) arg = {base + (arg.data() - base_), arg.size()};
  base_ = base;
}

RequestParser::State RequestParser::fail(std::string_view text) {
  error_ = "ERR Protocol error: ";
  error_ += text;
  return State::kError;
}

}  // namespace sluice::resp
