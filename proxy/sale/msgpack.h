// The little of MessagePack that the scripts need: arrays of strings and whole numbers.
// Format: https://github.com/msgpack/msgpack/blob/master/spec.md; Redis's cmsgpack reads it in C.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/error.h"

namespace sluice::proxy::sale {

void append_array_header(std::string& out, uint32_t elements);
void append_string(std::string& out, std::string_view text);
void append_integer(std::string& out, int64_t number);

// Reads back what the functions above wrote. Every read checks its length; after the first failure
// all reads return empty values and ok() is false.
class MsgpackReader {
 public:
  explicit MsgpackReader(std::string_view bytes) : bytes_(bytes) {}

  uint32_t array_header();
  std::string_view string();  // a view into the bytes
  int64_t integer();
  std::string_view rest() const { return bytes_; }
  bool ok() const { return ok_; }
  bool at_end() const { return bytes_.empty(); }

 private:
  uint64_t take(size_t bytes);
  uint8_t tag() { return static_cast<uint8_t>(take(1)); }

  std::string_view bytes_;
  bool ok_ = true;
};

}  // namespace sluice::proxy::sale
