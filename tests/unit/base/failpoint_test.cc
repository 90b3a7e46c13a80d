#include "base/failpoint.h"

#include <gtest/gtest.h>

#include <chrono>
#include <cstdlib>

namespace sluice::base {
namespace {

class FailpointTest : public testing::Test {
 protected:
  ~FailpointTest() override { (void)arm_failpoint(""); }
};

using FailpointDeathTest = FailpointTest;

TEST_F(FailpointTest, UnarmedPointsDoNothing) {
  failpoint(Failpoint::kSaleAfterScript);
  EXPECT_TRUE(failpoint_status(Failpoint::kJournalBeforeSync).ok());
}

TEST_F(FailpointTest, AnErrorComesAtTheCountedPassOfThatPointAndOnlyThen) {
  ASSERT_TRUE(arm_failpoint("journal.before-sync:2:error").ok());
  EXPECT_TRUE(failpoint_status(Failpoint::kJournalBeforeSync).ok());
  EXPECT_TRUE(failpoint_status(Failpoint::kJournalBeforeWrite).ok());
  const Status second = failpoint_status(Failpoint::kJournalBeforeSync);
  ASSERT_FALSE(second.ok());
  EXPECT_EQ(second.error().cls(), ErrorClass::kIo);
  EXPECT_EQ(second.error().message(), "failpoint journal.before-sync");
  EXPECT_TRUE(failpoint_status(Failpoint::kJournalBeforeSync).ok());
}

TEST_F(FailpointTest, ADelaySleepsAndGoesOn) {
  for (const char* text : {"sale.before-reply:1:delay 30", "sale.before-reply:1:delay:30"}) {
    ASSERT_TRUE(arm_failpoint(text).ok()) << text;
    const auto start = std::chrono::steady_clock::now();
    failpoint(Failpoint::kSaleBeforeReply);
    EXPECT_GE(std::chrono::steady_clock::now() - start, std::chrono::milliseconds(30));
  }
}

TEST_F(FailpointDeathTest, TheProcessIsKilledAtTheCountedPass) {
  EXPECT_EXIT(
      {
        (void)arm_failpoint("flush.before-commit:3");
        for (int i = 0; i < 2; ++i) failpoint(Failpoint::kFlushBeforeCommit);
        std::fputs("two passes\n", stderr);
        failpoint(Failpoint::kFlushBeforeCommit);
        std::fputs("three passes\n", stderr);
      },
      testing::KilledBySignal(SIGKILL), "^two passes\n$");
}

TEST_F(FailpointTest, WhatMeansNothingIsRefusedWithAllNames) {
  for (const char* text :
       {"sale.before:1", "sale.before-reply", "sale.before-reply:", "sale.before-reply:0",
        "sale.before-reply:-1", "sale.before-reply:1x", "sale.before-reply:1:explode",
        "sale.before-reply:1:kill:now", "sale.before-reply:1:delay", "sale.before-reply:1:delay x",
        "sale.before-reply:1:error"}) {
    const Status armed = arm_failpoint(text);
    ASSERT_FALSE(armed.ok()) << text;
    EXPECT_EQ(armed.error().cls(), ErrorClass::kInvalid);
    EXPECT_NE(armed.error().message().find(text), std::string::npos);
    EXPECT_NE(armed.error().message().find("compact.before-delete"), std::string::npos);
  }
}

TEST_F(FailpointTest, TheEnvironmentArmsListsOrEndsTheProgram) {
  ::setenv("SLUICE_FAILPOINT", "list", 1);
  testing::internal::CaptureStdout();
  EXPECT_EQ(arm_failpoint_from_environment(), 0);
  EXPECT_EQ(testing::internal::GetCapturedStdout(), list_failpoints());
  ::setenv("SLUICE_FAILPOINT", "nothing:1", 1);
  EXPECT_EQ(arm_failpoint_from_environment(), 2);
  ::setenv("SLUICE_FAILPOINT", "journal.before-write:1:error", 1);
  EXPECT_EQ(arm_failpoint_from_environment(), std::nullopt);
  EXPECT_FALSE(failpoint_status(Failpoint::kJournalBeforeWrite).ok());
  ::unsetenv("SLUICE_FAILPOINT");
  EXPECT_EQ(arm_failpoint_from_environment(), std::nullopt);
}

}  // namespace
}  // namespace sluice::base
