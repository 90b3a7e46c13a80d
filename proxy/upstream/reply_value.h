// One RESP2 reply as a tree, for the few replies of Redis that the proxy reads itself: COMMAND, and
// what it asks about users. No sockets.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

namespace sluice::proxy::upstream {

// Views stay valid as long as the bytes that were read.
struct ReplyValue {
  char type = 0;  // '+', '-', ':', '$' or '*'
  int64_t integer = 0;
  std::string_view text;
  std::vector<ReplyValue> elements;

  // Of an array of names and values; nullptr, 0 or "" if the name is not there.
  const ReplyValue* field(std::string_view name) const;
  int64_t number(std::string_view name) const;
  std::string_view word(std::string_view name) const;
  // Whether the array has this word, in any case.
  bool has(std::string_view word) const;
};

// Takes the first value off `rest`. False: it is cut, is not RESP2, or is nested too deep.
bool read_value(std::string_view& rest, ReplyValue& value);

}  // namespace sluice::proxy::upstream
