#include "base/decimal.h"

#include <gtest/gtest.h>

#include <array>
#include <limits>
#include <random>
#include <string>

namespace sluice::base {
namespace {

template <class Number>
std::string text_of(Number number) {
  std::array<char, kDecimalMax> text;
  return {text.data(), put_decimal(text.data(), number)};
}

TEST(Decimal, BothSidesOfEachPowerOfTen) {
  uint64_t power = 1;
  for (int digits = 1; digits <= 20; ++digits, power *= 10) {
    for (const uint64_t number : {power - 1, power, power + 1})
      EXPECT_EQ(text_of(number), std::to_string(number));
  }
  EXPECT_EQ(text_of(std::numeric_limits<uint64_t>::max()), "18446744073709551615");
}

TEST(Decimal, NegativeNumbersDownToTheLast) {
  for (const int64_t number : {int64_t{-1}, int64_t{-10}, int64_t{-100'000'000},
                               std::numeric_limits<int64_t>::min(),
                               std::numeric_limits<int64_t>::max()})
    EXPECT_EQ(text_of(number), std::to_string(number));
}

TEST(Decimal, NumbersOfEveryLength) {
  const auto seed = std::random_device{}();
  SCOPED_TRACE(seed);
  std::mt19937_64 random(seed);
  for (int round = 0; round < 1'000'000; ++round) {
    const uint64_t number = random() >> random() % 64;
    ASSERT_EQ(text_of(number), std::to_string(number));
  }
}

TEST(Decimal, AllOfATextIsANumberOrItIsNone) {
  uint64_t number = 0;
  EXPECT_TRUE(parse_decimal("18446744073709551615", number));
  EXPECT_EQ(number, std::numeric_limits<uint64_t>::max());
  for (const char* text : {"", "18446744073709551616", "-1", "+1", " 1", "1 ", "1x", "x", "0x1"}) {
    EXPECT_FALSE(parse_decimal(text, number)) << text;
  }
  int64_t with_sign = 0;
  EXPECT_TRUE(parse_decimal("-5", with_sign));
  EXPECT_EQ(with_sign, -5);
}

}  // namespace
}  // namespace sluice::base
