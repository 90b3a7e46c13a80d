#include "proxy/sale/refusals.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "call_fixture.h"

namespace sluice::proxy::sale {
namespace {

using testing::HasSubstr;
using testing::Not;

TEST(Refusals, AreToldApartByTheirFirstWord) {
  const std::pair<RefusalKind, const char*> rows[] = {
      {RefusalKind::kElsewhere, "LOADING Redis is loading the dataset in memory"},
      {RefusalKind::kElsewhere, "READONLY You can't write against a read only replica."},
      {RefusalKind::kElsewhere, "MOVED 866 127.0.0.1:7001"},
      {RefusalKind::kElsewhere, "CLUSTERDOWN The cluster is down"},
      {RefusalKind::kPasses, "OOM command not allowed when used memory > 'maxmemory'."},
      {RefusalKind::kPasses, "NOREPLICAS Not enough good replicas to write."},
      {RefusalKind::kOperator, "NOPERM User sluice has no permissions to run it"},
      {RefusalKind::kOperator, "ERR unknown command 'EVALSHA', with args beginning with: "},
      {RefusalKind::kEdited, "WRONGTYPE Operation against a key holding the wrong kind of value"},
      {RefusalKind::kEdited, "ERR user_script:3: attempt to index a nil value"},
      {RefusalKind::kEdited, ""},
  };
  for (const auto& [kind, error] : rows) EXPECT_EQ(kind_of_refusal(error), kind) << error;
}

TEST(Refusals, AClientGetsTheReasonAndNotThePlaceInOurScript) {
  const RefusalReply reply = refusal_reply(
      "MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist to "
      "disk. script: 7a1c0ffee, on @user_script:69.");
  EXPECT_EQ(reply.prefix, "BUSY");
  EXPECT_THAT(reply.message, HasSubstr("unable to persist to disk"));
  EXPECT_THAT(reply.message, Not(HasSubstr("user_script")));
  EXPECT_EQ(refusal_reply("NOPERM No permissions").prefix, "LOADING");
}

TEST(Refusals, OneCauseInManyPlacesIsOneAndIsOverWithTheLast) {
  RefusalLog log;
  EXPECT_EQ(log.text(), "");
  log.met("shelf 1", "OOM full. script: aa, on @user_script:1.", 1'000'000);
  log.met("shelf 2", "OOM full. script: bb, on @user_script:2.", 2'000'000);
  log.met("shelf 2", "NOPERM no", 3'000'000);
  EXPECT_EQ(log.text(), "shelf 1: Redis refuses: OOM full.");
  log.over("shelf 1", 4'000'000);
  EXPECT_EQ(log.text(), "shelf 2: Redis refuses: OOM full.");
  log.over("shelf 2", 5'000'000);
  EXPECT_FALSE(log.any());
}

// ---- What a real Redis says of a purchase's call.

class RefusedCallTest : public CallTest {
 protected:
  std::string purchase() { return call({op(Verb::kBuy, "b", 1, "", 12)}, epoch_, sequence_); }
  void SetUp() override { apply({create(5)}); }
};

TEST_F(RefusedCallTest, OfARealRedisEachIsKnownAndNothingHasHappened) {
  redis_.run({"CONFIG", "SET", "maxmemory", "1"});
  EXPECT_EQ(kind_of_refusal(purchase()), RefusalKind::kPasses) << purchase();
  redis_.run({"CONFIG", "SET", "maxmemory", "0"});
  redis_.run({"CONFIG", "SET", "min-replicas-to-write", "1"});
  EXPECT_EQ(kind_of_refusal(purchase()), RefusalKind::kPasses) << purchase();
  redis_.run({"CONFIG", "SET", "min-replicas-to-write", "0"});
  redis_.run({"REPLICAOF", "127.0.0.1", "1"});
  EXPECT_EQ(kind_of_refusal(purchase()), RefusalKind::kElsewhere) << purchase();
  redis_.run({"REPLICAOF", "NO", "ONE"});
  redis_.run({"ACL", "SETUSER", "default", "-@scripting"});
  EXPECT_EQ(kind_of_refusal(purchase()), RefusalKind::kOperator) << purchase();
  redis_.run({"ACL", "SETUSER", "default", "+@all", "resetkeys", "~other"});
  EXPECT_EQ(kind_of_refusal(purchase()), RefusalKind::kOperator) << purchase();
  redis_.run({"ACL", "SETUSER", "default", "allkeys"});
  EXPECT_EQ(item().sold, 0u);
  EXPECT_EQ(apply({op(Verb::kBuy, "b", 1, "", 12)}), "A 4");
}

}  // namespace
}  // namespace sluice::proxy::sale
