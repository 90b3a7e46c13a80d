#include "http/pace.h"

#include <gtest/gtest.h>

namespace sluice::http {
namespace {

using std::chrono::milliseconds;

const Pace::Clock::time_point kStart = Pace::Clock::time_point() + std::chrono::hours(1);

TEST(PaceTest, SoManyComeAtOnceAndThenOneEachInterval) {
  Pace pace(3, milliseconds(10));
  for (int i = 0; i < 3; ++i) EXPECT_LE(pace.take(kStart), milliseconds(0)) << i;
  EXPECT_EQ(pace.take(kStart), milliseconds(10));
  EXPECT_EQ(pace.take(kStart), milliseconds(20));
  EXPECT_EQ(pace.take(kStart + milliseconds(20)), milliseconds(10));
}

TEST(PaceTest, WhoWaitedLongHasThatManyAtOnceAgainAndNoMore) {
  Pace pace(3, milliseconds(10));
  for (int i = 0; i < 10; ++i) (void)pace.take(kStart);
  const auto later = kStart + std::chrono::hours(1);
  for (int i = 0; i < 3; ++i) EXPECT_LE(pace.take(later), milliseconds(0)) << i;
  EXPECT_EQ(pace.take(later), milliseconds(10));
}

TEST(PaceTest, WithoutAnIntervalNobodyWaits) {
  Pace pace(0, milliseconds(0));
  for (int i = 0; i < 1000; ++i) EXPECT_LE(pace.take(kStart), milliseconds(0));
}

}  // namespace
}  // namespace sluice::http
