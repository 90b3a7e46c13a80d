#include "proxy/front/client_limits.h"

#include <gtest/gtest.h>

namespace sluice::proxy::front {
namespace {

constexpr int64_t kSecondUs = 1'000'000;

TEST(OverdueTest, NothingThatHasNotBegunIsLate) {
  const Limits limits;
  EXPECT_EQ(overdue({}, {.authenticated = false, .is_ending = true}, limits, INT64_MAX),
            std::nullopt);
}

TEST(OverdueTest, ALoginIsDueOnlyWhileThereIsNone) {
  const Limits limits;
  const ClientTimes times{.login_due_us = 1};
  const int64_t late_us = 1 + limits.login_timeout_us;
  EXPECT_EQ(overdue(times, {.authenticated = false}, limits, late_us), CutReason::kLoginTime);
  EXPECT_EQ(overdue(times, {.authenticated = false}, limits, late_us - 1), std::nullopt);
  EXPECT_EQ(overdue(times, {.authenticated = true}, limits, late_us), std::nullopt);
}

TEST(OverdueTest, ALargeCommandMayTakeASecondForEach64KiB) {
  const Limits limits;
  const ClientTimes times{.command_begun_us = 1};
  const int64_t late_us = 1 + limits.request_timeout_us;
  EXPECT_EQ(overdue(times, {.input_bytes = 65'535}, limits, late_us), CutReason::kRequestTime);
  const ClientFacts large{.input_bytes = 3 * 65'536};
  EXPECT_EQ(overdue(times, large, limits, late_us + 3 * kSecondUs - 1), std::nullopt);
  EXPECT_EQ(overdue(times, large, limits, late_us + 3 * kSecondUs), CutReason::kRequestTime);
}

TEST(OverdueTest, RepliesWaitForAsLongAsTheyAreFewAndTheClientGoesOn) {
  Limits limits;
  const ClientTimes times{.output_waits_us = 1};
  const int64_t late_us = 1 + limits.output_timeout_us;
  const auto pause = static_cast<size_t>(limits.output_pause_bytes);
  EXPECT_EQ(overdue(times, {.output_bytes = pause}, limits, late_us), std::nullopt);
  EXPECT_EQ(overdue(times, {.output_bytes = pause + 1}, limits, late_us), CutReason::kOutputTime);
  EXPECT_EQ(overdue(times, {.is_ending = true}, limits, late_us), CutReason::kOutputTime);
  limits.output_timeout_us = 0;
  EXPECT_EQ(overdue(times, {.is_ending = true}, limits, late_us), std::nullopt) << "no bound";
}

TEST(ClientLimitsTest, ACommandBeginsAnewWithEachThatWasTaken) {
  ClientLimits limits;
  limits.input_processed(false, true);
  const int64_t begun_us = limits.times().command_begun_us;
  EXPECT_NE(begun_us, 0);
  limits.input_processed(false, true);
  EXPECT_EQ(limits.times().command_begun_us, begun_us) << "still the same one";
  limits.input_processed(true, true);
  EXPECT_GE(limits.times().command_begun_us, begun_us);
  EXPECT_TRUE(limits.is_timed());
  limits.input_processed(true, false);
  EXPECT_FALSE(limits.is_timed());
}

TEST(ClientLimitsTest, ALoginBecomesDueOnce) {
  ClientLimits limits;
  EXPECT_TRUE(limits.login_became_due(false));
  EXPECT_FALSE(limits.login_became_due(false));
  EXPECT_FALSE(limits.login_became_due(true));
  EXPECT_TRUE(limits.login_became_due(false)) << "after a RESET";
}

TEST(ClientLimitsTest, ItReadsFurtherOnlyWhileNothingMoves) {
  ClientLimits limits;
  constexpr size_t kMin = ClientLimits::kReadAheadMin, kMax = 2 * kMin;
  EXPECT_FALSE(limits.reads_ahead());
  EXPECT_TRUE(limits.stands_still(kMin, kMax));
  EXPECT_FALSE(limits.stands_still(kMax, kMax)) << "enough";
  limits.read_further(kMin);
  EXPECT_TRUE(limits.reads_ahead());
  EXPECT_EQ(limits.read_ahead_max(), kMin + ClientLimits::kReadAheadStep);
  limits.input_processed(true, false);
  EXPECT_FALSE(limits.stands_still(kMin, kMax)) << "a command was taken";
  EXPECT_EQ(limits.read_ahead_max(), kMin);
  limits.looked_at();
  EXPECT_TRUE(limits.stands_still(kMin, kMax));
}

TEST(ClientLimitsTest, MemoryIsRelievedAfterASecond) {
  ClientLimits limits;
  EXPECT_FALSE(limits.needs_relief(INT64_MAX));
  limits.wait_for_memory();
  const int64_t since_us = limits.times().waits_for_memory_us;
  EXPECT_FALSE(limits.needs_relief(since_us + kSecondUs - 1));
  EXPECT_TRUE(limits.needs_relief(since_us + kSecondUs));
  limits.has_memory();
  EXPECT_FALSE(limits.is_timed());
}

}  // namespace
}  // namespace sluice::proxy::front
