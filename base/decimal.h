// Whole numbers as decimal text. Written where there is one for each of many small things: three
// times as fast as std::to_chars for an order id.
#pragma once

#include <charconv>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace sluice::base {

constexpr size_t kDecimalMax = 20;  // bytes of any number of 64 bits

// Writes the number to `at`, where there is room for kDecimalMax bytes; returns the end of the
// text.
char* put_decimal(char* at, uint64_t number);

inline char* put_decimal(char* at, int64_t number) {
  if (number >= 0) return put_decimal(at, static_cast<uint64_t>(number));
  *at++ = '-';
  return put_decimal(at, uint64_t{0} - static_cast<uint64_t>(number));
}

// False, and `number` means nothing: the text is not all of it a number that its type can hold.
template <class Number>
bool parse_decimal(std::string_view text, Number& number) {
  const auto [rest, failure] = std::from_chars(text.data(), text.data() + text.size(), number);
  return failure == std::errc() && rest == text.data() + text.size();
}

}  // namespace sluice::base
