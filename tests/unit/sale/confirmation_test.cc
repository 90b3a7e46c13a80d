// What another proxy has accepted is told once it is durable there, and not before.
#include "proxy/sale/confirmation.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <utility>

#include "lanes_fixture.h"

namespace sluice::proxy::sale {
namespace {

class ConfirmationTest : public LanesTest {
 protected:
  // Of lane 7, besides what keeps the list from being empty.
  bool holds_receipts() {
    const std::string list = redis_.run({"LRANGE", kReceiptsKey, "0", "-1"});
    return list.find("phone") != std::string::npos;
  }
};

// A journal that takes everything and finishes nothing.
class StuckJournal final : public journal::GroupCommit {
 public:
  bool reserve(size_t) override { return true; }
  void release(size_t) override {}
  void submit(std::string, uint32_t, size_t, uint64_t, Done) override { submitted_ = true; }
  uint64_t synced_sequence() const override { return 0; }
  uint64_t written_sequence() const override { return 0; }
  uint64_t journal_id() const override { return 1; }
  int64_t bytes_used() const override { return 0; }
  int64_t busy_us() const override { return 0; }
  bool full() const override { return false; }
  std::string shortage() const override { return ""; }
  Status stop() override { return {}; }
  void wait_until_submitted() const {
    while (!submitted_) std::this_thread::yield();
  }

 private:
  std::atomic<bool> submitted_{false};
};

TEST_F(ConfirmationTest, OrderThatAnotherProxyHasNotRecordedYetIsNotTold) {
  const auto a = start(7), b = start(8);
  a->ask_patiently({"SECKILL.CREATE", "phone", "STOCK", "5", "LIMIT", "1"});
  const std::string durable = buy(*a, "u0");
  ask_until(*b, {"SECKILL.STOCK", "phone"}, "sold");
  StuckJournal stuck;
  journal::GroupCommit* const whole = a->set_journal(&stuck);
  a->send(std::make_shared<Client>(), {"SECKILL.BUY", "phone", "u1", "REQ", "r"});
  while (item_in(redis_).sold != 2) {
  }
  b->set_limits([](Limits& limits) { limits.unknown_after_us = 200'000; });
  for (const std::vector<std::string>& words :
       {std::vector<std::string>{"SECKILL.BUY", "phone", "u1", "REQ", "r"},
        {"SECKILL.BUY", "phone", "u1"},
        {"SECKILL.ORDER", "phone", "u1", "REQ", "r"}}) {
    const std::string reply = b->ask(words);
    EXPECT_TRUE(reply.starts_with("-UNKNOWNSTATE ")) << reply;
  }
  EXPECT_EQ(buy(*b, "u0"), durable);
  b->set_limits([](Limits& limits) { limits.unknown_after_us = 20'000'000; });
  const auto client = std::make_shared<Client>();
  const uint64_t asked = b->send(client, {"SECKILL.BUY", "phone", "u1", "REQ", "r"});
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  // What proxy 7 does once its journal has it.
  redis_.run({"LTRIM", kReceiptsKey, "1", "0"});
  EXPECT_TRUE(client->wait(asked).starts_with("*4\r\n$2\r\nOK"));
  a->set_journal(whole);
}

// The same for what is told of an item, not of an order, when it is asked for again elsewhere.
TEST_F(ConfirmationTest, ChangeOfAnItemThatAnotherProxyHasNotRecordedYetIsNotTold) {
  const auto a = start(7), b = start(8);
  a->ask_patiently({"SECKILL.CREATE", "phone", "STOCK", "5"});
  ASSERT_EQ(a->ask({"SECKILL.RESTOCK", "phone", "1", "REQ", "q0"}), array({"OK", ":6"}));
  ask_until(*b, {"SECKILL.STOCK", "phone"}, "sold");
  b->set_limits([](Limits& limits) { limits.unknown_after_us = 200'000; });
  const auto unrecorded = [&](const std::vector<std::string>& words) {
    StuckJournal stuck;
    journal::GroupCommit* const whole = a->set_journal(&stuck);
    a->send(std::make_shared<Client>(), words);
    stuck.wait_until_submitted();
    a->set_journal(whole);
    EXPECT_TRUE(b->ask(words).starts_with("-UNKNOWNSTATE ")) << words[0];
    // As proxy 7 once its journal has it.
    redis_.run({"DEL", shelves::receipts_key(shelf_of(words[1]), "7")});
    EXPECT_NE(b->ask(words).find("OK"), std::string::npos) << words[0];
  };
  unrecorded({"SECKILL.RESTOCK", "phone", "1", "REQ", "q"});
  unrecorded({"SECKILL.CLOSE", "phone"});
  unrecorded({"SECKILL.REOPEN", "phone"});
  unrecorded({"SECKILL.CREATE", "pen", "STOCK", "5"});
  EXPECT_EQ(b->ask({"SECKILL.RESTOCK", "phone", "1", "REQ", "q0"}), array({"OK", ":7"}));
}

// The proxy that accepted it is dead, its journal has nothing, and while another is asking for the
// receipt Redis loses that too, to a flush or in a failover to a replica that lags: no receipt then
// does not mean that the order is recorded.
TEST_F(ConfirmationTest, OrderWhoseReceiptIsLostWhileItIsLookedForIsNotTold) {
  const std::vector<std::vector<std::vector<std::string>>> losses{
      {{"FLUSHALL"}},
      {{"MULTI"},
       {"DEL", kReceiptsKey},
       {"CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"},
       {"EXEC"}}};
  for (const auto& loss : losses) {
    auto a = launch(7);
    const auto b = start(8);
    ASSERT_TRUE(a->wait_ready());
    ASSERT_EQ(a->ask_patiently({"SECKILL.CREATE", "phone", "STOCK", "5"}), "+OK\r\n");
    ask_until(*b, {"SECKILL.STOCK", "phone"}, "sold");
    StuckJournal stuck;
    journal::GroupCommit* const whole = a->set_journal(&stuck);
    a->send(std::make_shared<Client>(), {"SECKILL.BUY", "phone", "u1", "REQ", "r"});
    stuck.wait_until_submitted();
    a->set_journal(whole);
    a.reset();
    // The heartbeat notices the loss too late.
    b->set_limits([](Limits& limits) { limits.beat_us = 60'000'000; });
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    const auto client = std::make_shared<Client>();
    const uint64_t asked = b->send(client, {"SECKILL.BUY", "phone", "u1", "REQ", "r"});
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    for (const auto& command : loss) redis_.run(command);
    EXPECT_TRUE(client->wait(asked).starts_with("-UNKNOWNSTATE ")) << client->wait(asked);
    redis_.run({"FLUSHALL"});
  }
}

TEST_F(ConfirmationTest, IdleLaneDropsTheReceiptsOfWhatItHasRecorded) {
  const auto a = start(7), b = start(8);
  a->ask_patiently({"SECKILL.CREATE", "phone", "STOCK", "5"});
  const std::string order = buy(*a, "u1");
  EXPECT_EQ(buy(*b, "u1"), order);
  for (int i = 0; i < 1000 && holds_receipts(); ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  EXPECT_FALSE(holds_receipts());
  buy(*a, "u2");
  EXPECT_EQ(remaining(*b), "3");
}

// Else other proxies would answer -UNKNOWNSTATE for its last order until it sells again.
TEST_F(ConfirmationTest, IdleLaneDropsItsReceiptsAlsoIfRedisRefusedItOnce) {
  const auto a = start(7), b = start(8);
  a->ask_patiently({"SECKILL.CREATE", "phone", "STOCK", "5"});
  ask_until(*b, {"SECKILL.STOCK", "phone"}, "sold");
  const std::string order = buy(*a, "u1");
  redis_.run({"CONFIG", "SET", "min-replicas-to-write", "1"});
  std::this_thread::sleep_for(std::chrono::milliseconds(600));  // more than two checks
  redis_.run({"CONFIG", "SET", "min-replicas-to-write", "0"});
  for (int i = 0; i < 400 && holds_receipts(); ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  EXPECT_FALSE(holds_receipts());
  EXPECT_EQ(buy(*b, "u1"), order);
}

}  // namespace
}  // namespace sluice::proxy::sale
