// Whatever Redis refuses with: the client gets its words, readiness goes, and all comes back by
// itself once it is over.
#include <gtest/gtest.h>

#include <filesystem>

#include "sale_fixture.h"
#include "tests/unit/temp_folder.h"

namespace sluice::proxy::sale {
namespace {

using Commands = std::vector<std::vector<std::string>>;

struct Refusal {
  const char* name;
  Commands begin, end;
  std::string prefix, words;  // what a client gets
};
void PrintTo(const Refusal& refusal, std::ostream* out) { *out << refusal.name; }

class RefusedSaleTest : public testing::TestWithParam<Refusal> {
 protected:
  static constexpr int kAttempts = 4000;

  void run(const Commands& commands) {
    for (const auto& command : commands) redis_.run(command);
  }
  const test::TempFolder folder_;
  test::RedisServer redis_;
};

TEST_P(RefusedSaleTest, IsToldWithItsReasonAndIsOverByItself) {
  Proxy proxy(folder_.path(), redis_.socket(), 1);
  ASSERT_TRUE(proxy.wait_ready());
  ASSERT_EQ(proxy.ask({"SECKILL.CREATE", "phone", "STOCK", "10"}), "+OK\r\n");
  const std::string order = order_of(proxy.ask({"SECKILL.BUY", "phone", "ann", "REQ", "r"}));

  run(GetParam().begin);
  std::string reply;
  for (int i = 0; i < kAttempts && reply.find(GetParam().words) == reply.npos; ++i)
    reply = proxy.ask({"SECKILL.BUY", "phone", "user" + std::to_string(i)});
  EXPECT_TRUE(reply.starts_with("-" + GetParam().prefix + " ")) << reply;
  EXPECT_NE(reply.find(GetParam().words), std::string::npos) << reply;
  EXPECT_TRUE(reply.ends_with("; nothing happened, retry later\r\n")) << reply;
  EXPECT_EQ(reply.find("script:"), std::string::npos) << reply;
  EXPECT_EQ(reply.find("nothing happened"), reply.rfind("nothing happened")) << reply;
  EXPECT_FALSE(proxy.ready());
  EXPECT_NE(proxy.why_not_ready().find(GetParam().words), std::string::npos)
      << proxy.why_not_ready();

  run(GetParam().end);
  ASSERT_TRUE(proxy.wait_ready()) << proxy.why_not_ready();
  EXPECT_EQ(proxy.why_not_ready(), "");
  EXPECT_EQ(order_of(proxy.ask_patiently({"SECKILL.BUY", "phone", "ann", "REQ", "r"})), order);
  EXPECT_TRUE(proxy.ask_patiently({"SECKILL.BUY", "phone", "late"}).starts_with("*4\r\n$2\r\nOK"));
}

INSTANTIATE_TEST_SUITE_P(
    , RefusedSaleTest,
    testing::Values(
        Refusal{"full memory", {{"CONFIG", "SET", "maxmemory", "1"}},
                {{"CONFIG", "SET", "maxmemory", "0"}}, "BUSY", "OOM"},
        Refusal{"too few replicas", {{"CONFIG", "SET", "min-replicas-to-write", "1"}},
                {{"CONFIG", "SET", "min-replicas-to-write", "0"}}, "BUSY", "NOREPLICAS"},
        Refusal{"no right to call scripts", {{"ACL", "SETUSER", "default", "-evalsha"}},
                {{"ACL", "SETUSER", "default", "+evalsha"}}, "LOADING", "NOPERM"},
        Refusal{"the same around a reconnect",
                {{"ACL", "SETUSER", "default", "-evalsha"},
                 {"CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"}},
                {{"ACL", "SETUSER", "default", "+evalsha"}}, "LOADING", "NOPERM"},
        Refusal{"a key of another type",
                {{"RENAME", kReceiptsKey, kReceiptsKey + "-kept"}, {"SET", kReceiptsKey, "x"}},
                {{"DEL", kReceiptsKey}, {"RENAME", kReceiptsKey + "-kept", kReceiptsKey}},
                "LOADING", "WRONGTYPE"}));

// The journal's folder is put back from a backup while Redis lives: what it lacks is in receipts,
// or nothing is sold, and the reason says so.
TEST_F(RefusedSaleTest, AJournalThatIsOlderThanRedisIsCompletedOrNothingIsSold) {
  const std::string dir = folder_ / "journal", kept = folder_ / "kept";
  std::filesystem::create_directory(dir);
  const auto sell = [&](int from, int count) {
    Proxy proxy(dir, redis_.socket(), 1);
    ASSERT_TRUE(proxy.wait_ready());
    if (from == 0) proxy.ask({"SECKILL.CREATE", "phone", "STOCK", "1000"});
    for (int i = from; i < from + count; ++i)
      proxy.ask({"SECKILL.BUY", "phone", "user" + std::to_string(i), "REQ", "r"});
  };
  const auto put_back = [&] {
    std::filesystem::remove_all(dir);
    std::filesystem::copy(kept, dir);
  };
  sell(0, 5);
  std::filesystem::copy(dir, kept);
  sell(5, 5);
  put_back();
  {
    Proxy proxy(dir, redis_.socket(), 1);
    ASSERT_TRUE(proxy.wait_ready());
    EXPECT_TRUE(proxy.ask({"SECKILL.BUY", "phone", "user9", "REQ", "r"}).starts_with("*4"));
  }
  size_t journaled = 0;
  const auto report = journal::recover(dir, base::posix_file_system(),
                                       [&](const journal::Record&) { ++journaled; });
  ASSERT_TRUE(report.ok());
  EXPECT_EQ(journaled, 11u);

  sell(10, 60);  // more than receipts are kept of
  put_back();
  Proxy proxy(dir, redis_.socket(), 1);
  for (int i = 0; i < 2000 && proxy.fatal().empty(); ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  EXPECT_NE(proxy.fatal().find("receipts are missing"), std::string::npos) << proxy.fatal();
  EXPECT_NE(proxy.fatal().find("older than what Redis has of it"), std::string::npos);
  EXPECT_FALSE(proxy.ready());
}

}  // namespace
}  // namespace sluice::proxy::sale
