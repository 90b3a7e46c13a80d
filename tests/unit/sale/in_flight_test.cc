// Two batches of one item in flight: each way in which the second can find another lane sequence
// than it foresaw, or the answer to one of them can stay away.
#include <gtest/gtest.h>

#include <set>
#include <utility>

#include "sale_fixture.h"

namespace sluice::proxy::sale {
namespace {

// More than two full batches, so that one goes out behind another.
constexpr size_t kBurst = 1200;

class InFlightTest : public testing::Test {
 protected:
  InFlightTest() {
    char name[] = "/tmp/sluice-journal-XXXXXX";
    dir_ = mkdtemp(name);
    proxy_ = std::make_unique<Proxy>(dir_, redis_.socket(), 1);
    EXPECT_TRUE(proxy_->wait_ready());
  }
  ~InFlightTest() override {
    proxy_.reset();
    std::filesystem::remove_all(dir_);
  }

  // The item sells: the next burst goes out two batches at a time.
  void create_and_sell_one(size_t stock) {
    EXPECT_EQ(proxy_->ask({"SECKILL.CREATE", "phone", "STOCK", std::to_string(stock)}), "+OK\r\n");
    EXPECT_TRUE(proxy_->ask({"SECKILL.BUY", "phone", "first"}).starts_with("*4\r\n$2\r\nOK"));
  }
  static std::string user(size_t i) { return "u" + std::to_string(i); }
  static std::vector<std::vector<std::string>> purchases() {
    std::vector<std::vector<std::string>> commands;
    for (size_t i = 0; i < kBurst; ++i) {
      commands.push_back({"SECKILL.BUY", "phone", user(i), "REQ", "r"});
    }
    return commands;
  }
  std::vector<std::string> burst(const std::function<void()>& meanwhile = [] {}) {
    const auto client = std::make_shared<Client>();
    const auto tokens = proxy_->send_all(client, purchases());
    meanwhile();
    std::vector<std::string> replies;
    for (const uint64_t token : tokens) replies.push_back(client->wait(token));
    return replies;
  }
  // Every buyer of the burst has exactly one order, whatever the first answer was.
  void expect_one_order_each(const std::vector<std::string>& replies) {
    std::set<std::string> orders;
    for (size_t i = 0; i < kBurst; ++i) {
      const std::string now = proxy_->ask_patiently({"SECKILL.BUY", "phone", user(i), "REQ", "r"});
      ASSERT_TRUE(now.starts_with("*4\r\n$2\r\nOK")) << now;
      orders.insert(order_of(now));
      if (replies[i].starts_with("*4")) {
        EXPECT_EQ(order_of(replies[i]), order_of(now)) << user(i);
      } else {
        EXPECT_TRUE(replies[i].starts_with("-LOADING") || replies[i].starts_with("-UNKNOWNSTATE"))
            << replies[i];
      }
    }
    EXPECT_EQ(orders.size(), kBurst);
    EXPECT_EQ(redis_.run({"HGET", "sluice:{phone}:item", "sold"}), std::to_string(kBurst + 1));
    proxy_.reset();
    EXPECT_EQ(journaled(), kBurst + 1);
  }
  size_t journaled() {
    size_t orders = 0;
    auto reader = journal::Reader::open(dir_, base::posix_file_system(), {});
    EXPECT_TRUE(reader.ok());
    while (reader) {
      auto group = (*reader)->next();
      EXPECT_TRUE(group.ok());
      if (!group.ok() || !*group) break;
      for (const journal::Record& record : (*group)->records) {
        orders += record.type == journal::RecordType::kBuy;
      }
    }
    return orders;
  }

  std::string dir_;
  test::RedisServer redis_;
  std::unique_ptr<Proxy> proxy_;
};

TEST_F(InFlightTest, BothAreAppliedInOrder) {
  create_and_sell_one(5000);
  const auto replies = burst();
  for (size_t i = 0; i < kBurst; ++i) {
    ASSERT_TRUE(replies[i].starts_with("*4\r\n$2\r\nOK")) << replies[i];
    EXPECT_NE(replies[i].find("\r\n:" + std::to_string(5000 - 2 - i) + "\r\n"), std::string::npos)
        << replies[i];
  }
  expect_one_order_each(replies);
}

TEST_F(InFlightTest, TheSecondIsSentAgainIfTheFirstAcceptedNothing) {
  create_and_sell_one(1);
  for (const std::string& reply : burst()) EXPECT_EQ(reply, array({"SOLDOUT", ":0"}));
  proxy_->ask({"SECKILL.RESTOCK", "phone", std::to_string(kBurst)});
  expect_one_order_each(std::vector<std::string>(kBurst, "-LOADING"));
}

TEST_F(InFlightTest, BothAreSentAgainIfRedisForgotTheScript) {
  create_and_sell_one(5000);
  redis_.run({"SCRIPT", "FLUSH"});
  expect_one_order_each(burst());
}

TEST_F(InFlightTest, BothPassTheGateIfTheItemIsNotWhatTheyExpect) {
  create_and_sell_one(5000);
  redis_.run({"HSET", "sluice:{phone}:item", "stock", "7000"});
  expect_one_order_each(burst());
}

TEST_F(InFlightTest, BothPassTheGateIfItsEpochIsRaised) {
  create_and_sell_one(5000);
  redis_.run({"HINCRBY", "sluice:{phone}:item", "epoch", "1"});
  expect_one_order_each(burst());
}

TEST_F(InFlightTest, BothAreSettledAfterACutWhetherTheyWereAppliedOrNot) {
  create_and_sell_one(5000);
  expect_one_order_each(burst([this] {
    for (int i = 0; i < 5; ++i) {
      redis_.run({"CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"});
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
  }));
}

}  // namespace
}  // namespace sluice::proxy::sale
