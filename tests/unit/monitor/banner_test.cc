#include "proxy/monitor/banner.h"

#include <gtest/gtest.h>

namespace sluice::proxy::monitor {
namespace {

Situation idle() {
  Situation now;
  now.drain_state = "IDLE";
  now.backlog_rows = 0;
  return now;
}

TEST(Banner, TellsEachStateWithItsReason) {
  Situation now = idle();
  EXPECT_EQ(judge(now).state, "ABSORBING");
  EXPECT_EQ(judge(now).reason, "ready for purchases; nothing waits for MySQL");
  now.drain_state = "HOLDING", now.drain_reason = "no trigger fires: max_age (…)";
  now.backlog_rows = 1;
  EXPECT_EQ(judge(now).state, "HOLDING");
  EXPECT_EQ(judge(now).reason, "1 row waits for MySQL until a trigger fires");
  now.drain_reason = "MySQL is busy";
  EXPECT_EQ(judge(now).reason, "1 row waits for MySQL: MySQL is busy");
  now.accepted_per_s = 1234.4;
  EXPECT_EQ(judge(now).state, "ABSORBING");
  EXPECT_EQ(judge(now).reason, "1,234 purchases/s are accepted; 1 row waits for MySQL");
  now.drain_state = "PACED", now.drain_reason = "held back";
  EXPECT_EQ(judge(now).state, "DRAINING");
  now.drain_state = "PAUSED";
  EXPECT_EQ(judge(now).reason, "the drain is paused; 1 row waits for MySQL");
  now.intake_paused = true;
  EXPECT_EQ(judge(now).state, "PAUSED");
  EXPECT_NE(judge(now).reason.find("purchases are refused"), std::string::npos);
}

TEST(Banner, WhatIsWrongComesFirst) {
  Situation now = idle();
  now.drain_trouble = "Access denied";
  EXPECT_EQ(judge(now).state, "DEGRADED");
  EXPECT_EQ(judge(now).reason, "nothing goes into MySQL: Access denied");
  now.obstacle = "Redis is not reachable";
  EXPECT_EQ(judge(now).reason, "nothing is sold: Redis is not reachable");
  now.oversold = 2;
  EXPECT_NE(judge(now).reason.find("2 purchases were accepted beyond the stock"),
            std::string::npos);
  now.oversold_item = "phone";
  EXPECT_EQ(judge(now).reason, "more was sold of phone than there is");
}

TEST(Banner, BusyIsAFaultUnlessAnOperatorPaused) {
  Situation now = idle();
  now.busy_per_s = 0.3;
  EXPECT_EQ(judge(now).state, "DEGRADED");
  now.intake_paused = true;
  EXPECT_EQ(judge(now).state, "PAUSED");
}

TEST(Banner, AFlusherThatIsMissingIsAFaultOnlyIfThereShouldBeOne) {
  for (const char* state : {"unreachable", "BLOCKED", "another journal (7)"}) {
    Situation now = idle();
    now.drain_state = state;
    EXPECT_EQ(judge(now).state, "DEGRADED") << state;
    now.has_flusher = false;
    EXPECT_EQ(judge(now).state, "ABSORBING") << state;
  }
}

}  // namespace
}  // namespace sluice::proxy::monitor
