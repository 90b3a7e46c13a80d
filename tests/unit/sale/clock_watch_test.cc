#include "proxy/sale/clock_watch.h"

#include <gtest/gtest.h>

#include "base/clock.h"

namespace sluice::proxy::sale {
namespace {

constexpr int64_t kDayMs = 24 * 3'600'000, kYearMs = 365 * kDayMs;

bool says(const std::string& fault, const char* word) {
  return fault.find(word) != std::string::npos;
}

TEST(ClockWatch, OnlyWhatAnIdHoldsIsGood) {
  const ClockWatch clock;
  const int64_t now = base::wall_ms();
  EXPECT_EQ(clock.fault(now), "");
  for (const int64_t wrong : {int64_t{0}, int64_t{946'684'800'000}, now + 68 * kYearMs}) {
    EXPECT_FALSE(clock.is_good(wrong));
    EXPECT_TRUE(says(clock.fault(wrong), "order ids can tell times from 2024-01-01 00:00:00 UTC"));
  }
}

TEST(ClockWatch, ADayBeforeTheNewestRecordIsBorneNoMore) {
  ClockWatch clock;
  const int64_t now = base::wall_ms();
  clock.saw(now + kDayMs);
  clock.saw(now - kDayMs);
  EXPECT_TRUE(clock.is_good(now));
  EXPECT_FALSE(clock.is_good(now - 1));
  EXPECT_TRUE(says(clock.fault(now - 1), "but the journal has a record of"));
}

TEST(ClockWatch, AJumpIsNoticedOnceTheClocksAgreed) {
  ClockWatch clock;
  const int64_t now = base::wall_ms();
  EXPECT_TRUE(clock.is_good(now + 3 * kDayMs)) << "nothing to compare with yet";
  EXPECT_TRUE(says(clock.compare(now, now - 2 * kDayMs), "and Redis's"));
  EXPECT_TRUE(clock.is_good(now + 3 * kDayMs));
  EXPECT_EQ(clock.compare(now, now - kDayMs / 2), "");
  EXPECT_TRUE(clock.is_good(now + kDayMs / 2));
  EXPECT_FALSE(clock.is_good(now + 3 * kDayMs));
  EXPECT_FALSE(clock.is_good(now - 3 * kDayMs));
  EXPECT_TRUE(says(clock.fault(now + 3 * kDayMs), "since this proxy started"));
  // A machine that slept for long, and whose clock Redis confirms.
  EXPECT_EQ(clock.compare(now + 3 * kDayMs, now + 3 * kDayMs), "");
  EXPECT_TRUE(clock.is_good(now + 3 * kDayMs));
}

}  // namespace
}  // namespace sluice::proxy::sale
