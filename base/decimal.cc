#include "base/decimal.h"

#include <bit>
#include <cstring>

namespace sluice::base {
namespace {

constexpr uint64_t kEightDigits = 100'000'000;

// The digits of a number below kEightDigits, one a byte, the first in the lowest byte. Halves the
// number three times, each time in all parts of one word at once; a division is a multiplication by
// the rounded inverse, exact for parts this small.
uint64_t digits_of(uint64_t number) {
  const uint64_t fours = number / 10'000 | number % 10'000 << 32;
  const uint64_t hundreds = (fours * 5243 >> 19) & 0x0000'007f'0000'007f;
  const uint64_t twos = hundreds | (fours - hundreds * 100) << 16;
  const uint64_t tens = (twos * 103 >> 10) & 0x000f'000f'000f'000f;
  return tens | (twos - tens * 10) << 8;
}

constexpr uint64_t kZeros = 0x3030'3030'3030'3030;  // "00000000"

char* put_eight(char* at, uint64_t number) {
  const uint64_t text = digits_of(number) | kZeros;
  std::memcpy(at, &text, sizeof(text));
  return at + sizeof(text);
}

char* put_up_to_eight(char* at, uint64_t number) {
  if (number < 10) {
    *at = static_cast<char>('0' + number);
    return at + 1;
  }
  const uint64_t digits = digits_of(number);
  const int leading_zeros = std::countr_zero(digits) / 8;
  const uint64_t text = (digits | kZeros) >> leading_zeros * 8;
  std::memcpy(at, &text, sizeof(text));
  return at + sizeof(text) - leading_zeros;
}

}  // namespace

static_assert(std::endian::native == std::endian::little, "digits are stored as one word");

char* put_decimal(char* at, uint64_t number) {
  if (number < kEightDigits) return put_up_to_eight(at, number);
  const uint64_t high = number / kEightDigits;
  if (high < kEightDigits) return put_eight(put_up_to_eight(at, high), number % kEightDigits);
  at = put_up_to_eight(at, high / kEightDigits);
  return put_eight(put_eight(at, high % kEightDigits), number % kEightDigits);
}

}  // namespace sluice::base
