// Quantities with units: both sides of each limit, and that what is written reads back.
#include "base/units.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <string>

namespace sluice::base {
namespace {

using testing::HasSubstr;

TEST(UnitsTest, SizesAreReadInBothSystems) {
  EXPECT_EQ(*parse_size("0B"), 0);
  EXPECT_EQ(*parse_size("512B"), 512);
  EXPECT_EQ(*parse_size("64KiB"), 64 << 10);
  EXPECT_EQ(*parse_size("64MiB"), 64 << 20);
  EXPECT_EQ(*parse_size("3GiB"), int64_t{3} << 30);
  EXPECT_EQ(*parse_size("2TiB"), int64_t{2} << 40);
  EXPECT_EQ(*parse_size("64KB"), 64'000);
  EXPECT_EQ(*parse_size("64MB"), 64'000'000);
  EXPECT_EQ(*parse_size("8GB"), 8'000'000'000);
  EXPECT_EQ(*parse_size("1TB"), 1'000'000'000'000);
}

TEST(UnitsTest, ABareNumberIsRefusedAndToldWhatToWrite) {
  EXPECT_THAT(parse_size("64").error().message(), HasSubstr("has no unit"));
  EXPECT_THAT(parse_size("64").error().message(), HasSubstr("\"64MiB\""));
  EXPECT_THAT(parse_duration_us("10").error().message(), HasSubstr("\"250ms\""));
  EXPECT_THAT(parse_rate_per_s("10").error().message(), HasSubstr("\"5000/s\""));
}

TEST(UnitsTest, WhatIsNoQuantityIsRefused) {
  for (const char* text : {"", "B", "MiB", "-1B", "+1B", "1.5GiB", "64 MiB", " 64MiB", "64MiB ",
                           "64mib", "64M", "0x10B", "1e3B", "64MiBB"}) {
    EXPECT_FALSE(parse_size(text).ok()) << text;
    EXPECT_EQ(parse_size(text).error().cls(), ErrorClass::kInvalid);
  }
  for (const char* text : {"", "s", "-1s", "1.5s", "1 s", "1S", "1min", "1us "}) {
    EXPECT_FALSE(parse_duration_us(text).ok()) << text;
  }
  for (const char* text : {"", "/s", "5/h", "5/S", "-5/s", "5s", "5 /s"}) {
    EXPECT_FALSE(parse_rate_per_s(text).ok()) << text;
  }
}

TEST(UnitsTest, SizesEndWhereTheNumberDoes) {
  EXPECT_EQ(*parse_size("9223372036854775807B"), INT64_MAX);
  EXPECT_FALSE(parse_size("9223372036854775808B").ok());
  EXPECT_EQ(*parse_size("8388607TiB"), int64_t{8388607} << 40);
  EXPECT_FALSE(parse_size("8388608TiB").ok());
}

TEST(UnitsTest, DurationsAreReadInMicroseconds) {
  EXPECT_EQ(*parse_duration_us("0s"), 0);
  EXPECT_EQ(*parse_duration_us("500us"), 500);
  EXPECT_EQ(*parse_duration_us("250ms"), 250'000);
  EXPECT_EQ(*parse_duration_us("10s"), 10'000'000);
  EXPECT_EQ(*parse_duration_us("5m"), 300'000'000);
  EXPECT_EQ(*parse_duration_us("24h"), int64_t{86'400} * 1'000'000);
  EXPECT_EQ(*parse_duration_us("7d"), int64_t{7 * 86'400} * 1'000'000);
  EXPECT_EQ(*parse_duration_us("106751991d"), int64_t{106751991} * 86'400'000'000);
  EXPECT_FALSE(parse_duration_us("106751992d").ok());
}

TEST(UnitsTest, RatesAreReadPerSecond) {
  EXPECT_EQ(*parse_rate_per_s("500/s"), 500);
  EXPECT_EQ(*parse_rate_per_s("0/s"), 0);
  EXPECT_EQ(*parse_rate_per_s("30000/m"), 500);
  EXPECT_EQ(*parse_rate_per_s("59/m"), 0) << "rounded down";
  EXPECT_EQ(*parse_rate_per_s("60/m"), 1);
  EXPECT_EQ(*parse_rate_per_s("153722867280912930/s"), 153722867280912930);
  EXPECT_FALSE(parse_rate_per_s("153722867280912931/s").ok());
}

TEST(UnitsTest, IntegersStandAlone) {
  EXPECT_EQ(*parse_integer("0"), 0);
  EXPECT_EQ(*parse_integer("-5"), -5);
  EXPECT_EQ(*parse_integer("+5"), 5);
  EXPECT_EQ(*parse_integer("9223372036854775807"), INT64_MAX);
  EXPECT_EQ(*parse_integer("-9223372036854775808"), INT64_MIN);
  for (const char* text : {"", "+", "-", "5 ", " 5", "5.0", "0x5", "+-5", "++5",
                           "9223372036854775808", "-9223372036854775809"}) {
    EXPECT_FALSE(parse_integer(text).ok()) << text;
  }
}

TEST(UnitsTest, WhatIsWrittenReadsBack) {
  for (const int64_t value : {int64_t{0}, int64_t{1}, int64_t{1000}, int64_t{1023}, int64_t{1024},
                              int64_t{64} << 20, (int64_t{64} << 20) + 1, int64_t{3} << 40,
                              int64_t{86'400'000'000}, int64_t{3'600'000'000}, INT64_MAX}) {
    EXPECT_EQ(*parse_size(format_size(value)), value) << format_size(value);
    EXPECT_EQ(*parse_duration_us(format_duration_us(value)), value) << format_duration_us(value);
  }
  EXPECT_EQ(*parse_rate_per_s(format_rate_per_s(5000)), 5000);
  EXPECT_EQ(format_size(64 << 20), "64MiB");
  EXPECT_EQ(format_size(1536), "1536B");
  EXPECT_EQ(format_size(0), "0B");
  EXPECT_EQ(format_duration_us(0), "0us");
  EXPECT_EQ(format_duration_us(90'000'000), "90s");
  EXPECT_EQ(format_duration_us(250'000), "250ms");
}

}  // namespace
}  // namespace sluice::base
