#include "proxy/front/login.h"

#include <gtest/gtest.h>

#include <string>

namespace sluice::proxy::front {
namespace {

using Throttle = LoginThrottle;
constexpr int64_t kSecond = 1'000'000;

TEST(Password, FitsAnEnabledUserOnly) {
  const auto users = Users::parse(
      "user a on >one >two\nuser off off >one\nuser open on nopass\nuser none on", "f");
  EXPECT_TRUE(password_fits(users->find("a").get(), "one"));
  EXPECT_TRUE(password_fits(users->find("a").get(), "two"));
  for (std::string_view wrong : {"", "on", "onee", "ONE"})
    EXPECT_FALSE(password_fits(users->find("a").get(), wrong));
  EXPECT_FALSE(password_fits(users->find("off").get(), "one"));
  EXPECT_TRUE(password_fits(users->find("open").get(), "anything"));
  EXPECT_FALSE(password_fits(users->find("none").get(), ""));
  EXPECT_FALSE(password_fits(nullptr, ""));
}

TEST(Throttle, AFewFailuresAreFreeThenThePaceHalves) {
  Throttle throttle;
  int64_t now = kSecond;
  for (int64_t i = 0; i < Throttle::kFreeFailures; ++i) {
    EXPECT_EQ(throttle.admit_us("10.0.0.1:1", now), 0);
    throttle.failed("10.0.0.1:1", now);
  }
  EXPECT_EQ(throttle.admit_us("10.0.0.1:9", now), 0) << "the limit itself is free";
  throttle.failed("10.0.0.1:9", now);
  EXPECT_EQ(throttle.admit_us("10.0.0.1:2", now), 100'000) << "another port is the same address";
  EXPECT_EQ(throttle.admit_us("10.0.0.2:2", now), 0) << "another address is not";
}

TEST(Throttle, ManyConnectionsGuessNoFasterThanOne) {
  Throttle throttle;
  for (int i = 0; i < 100; ++i) throttle.failed("10.0.0.1:1", kSecond);
  EXPECT_EQ(throttle.admit_us("10.0.0.1:1", kSecond), Throttle::kDelayMaxUs);
  EXPECT_EQ(throttle.admit_us("10.0.0.1:2", kSecond), 2 * Throttle::kDelayMaxUs);
  EXPECT_EQ(throttle.admit_us("10.0.0.1:3", kSecond), std::nullopt);
  EXPECT_EQ(throttle.admit_us("10.0.0.1:3", kSecond + 2 * Throttle::kDelayMaxUs),
            Throttle::kDelayMaxUs);
}

TEST(Throttle, TheDelayDoublesUpToItsBound) {
  EXPECT_EQ(Throttle::delay_us(Throttle::kFreeFailures), 0);
  EXPECT_EQ(Throttle::delay_us(Throttle::kFreeFailures + 1), Throttle::kFirstDelayUs);
  EXPECT_EQ(Throttle::delay_us(Throttle::kFreeFailures + 2), 2 * Throttle::kFirstDelayUs);
  EXPECT_EQ(Throttle::delay_us(1'000'000'000), Throttle::kDelayMaxUs);
}

TEST(Throttle, AnAddressIsForgottenInTime) {
  Throttle throttle;
  for (int i = 0; i < 100; ++i) throttle.failed("10.0.0.1:1", kSecond);
  EXPECT_EQ(throttle.failed("10.0.0.1:1", kSecond + 1), 101);
  const int64_t still = kSecond + Throttle::kForgottenAfterUs;
  EXPECT_EQ(throttle.admit_us("10.0.0.1:1", still), 0) << "its turn came long ago";
  EXPECT_EQ(throttle.admit_us("10.0.0.1:1", still), Throttle::kDelayMaxUs) << "but one at a time";
  EXPECT_EQ(throttle.admit_us("10.0.0.1:1", still + 1), 0);
  EXPECT_EQ(throttle.admit_us("10.0.0.1:1", still + 1), 0);
  EXPECT_EQ(throttle.failed("10.0.0.1:1", still + 1), 1);
}

TEST(Throttle, TheTableIsBounded) {
  Throttle throttle;
  for (int i = 0; i < 10; ++i) throttle.failed("first:1", kSecond);
  for (size_t i = 1; i < Throttle::kAddressesMax; ++i)
    throttle.failed("host" + std::to_string(i) + ":1", kSecond + 1);
  EXPECT_EQ(throttle.failed("first:1", kSecond + 2), 11) << "full, and nobody forgotten";
  throttle.failed("one-more:1", kSecond + 3);
  EXPECT_EQ(throttle.failed("first:1", kSecond + 4), 12) << "the one silent for longest goes";
  EXPECT_EQ(throttle.failed("host1:1", kSecond + 5), 1);
}

TEST(Throttle, IPv6IsCountedByItsNetwork) {
  EXPECT_EQ(Throttle::network_of("[2001:db8::1]:80"), Throttle::network_of("[2001:db8::2:3]:9"));
  EXPECT_NE(Throttle::network_of("[2001:db8::1]:80"), Throttle::network_of("[2001:db8:0:1::1]:80"));
  EXPECT_NE(Throttle::network_of("[::ffff:1.2.3.4]:1"), Throttle::network_of("[::ffff:1.2.3.5]:1"));
  EXPECT_EQ(Throttle::network_of("10.0.0.1:80"), "10.0.0.1");
  EXPECT_EQ(Throttle::network_of("/tmp/a:b.sock:0"), "/tmp/a:b.sock:0");
}

}  // namespace
}  // namespace sluice::proxy::front
