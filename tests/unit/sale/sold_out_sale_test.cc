// Sold-out items in the whole sale, with a real Redis: what is refused without asking it, and that
// every answer is the one that it would have given.
#include <gtest/gtest.h>

#include <random>

#include "base/clock.h"
#include "sale_fixture.h"
#include "tests/unit/temp_folder.h"

namespace sluice::proxy::sale {
namespace {

const std::string kSoldOut = array({"SOLDOUT", ":0"});

class SoldOutSaleTest : public testing::Test {
 protected:
  static constexpr int64_t kLongUs = 10'000'000;

  std::unique_ptr<Proxy> start(int64_t lease_us, size_t io_threads = 1, uint64_t lane = 7,
                               size_t filter_bytes = 1 << 20) {
    const std::string journal = folder_ / std::to_string(lane);
    std::filesystem::create_directory(journal);
    auto proxy =
        std::make_unique<Proxy>(journal, redis_.socket(), io_threads, lane, [=](Limits& limits) {
          limits.sold_out_lease_us = lease_us;
          limits.sold_out_bytes = filter_bytes;
        });
    EXPECT_TRUE(proxy->wait_ready());
    return proxy;
  }
  // Counted at the end of the turn: the first command may still be answered in it.
  static uint64_t at_once(Proxy& proxy) {
    for (int turn = 0; turn < 2; ++turn) proxy.ask({"SECKILL.HELP"});
    return proxy.shared().metrics->soldout_at_once.value();
  }

  // Until a purchase is refused without Redis; false if none ever is.
  static bool until_refused_at_once(Proxy& proxy, const std::string& item = "phone") {
    const uint64_t before = at_once(proxy);
    for (int i = 0; i < 400; ++i) {
      const std::string user = "asker" + std::to_string(i);
      EXPECT_EQ(proxy.ask_patiently({"SECKILL.BUY", item, user}), kSoldOut);
      if (at_once(proxy) > before) return true;
    }
    return false;
  }
  // Whether all of these are, with this reply.
  static void expect_at_once(Proxy& proxy, const std::vector<std::string>& words,
                             const std::string& reply) {
    const uint64_t before = at_once(proxy);
    EXPECT_EQ(proxy.ask(words), reply);
    EXPECT_EQ(at_once(proxy), before + 1) << testing::PrintToString(words);
  }
  static void sell_out(Proxy& proxy, const std::string& limit = "0") {
    EXPECT_EQ(proxy.ask({"SECKILL.CREATE", "phone", "STOCK", "2", "LIMIT", limit}), "+OK\r\n");
    for (const char* user : {"ann", "bob"}) {
      EXPECT_TRUE(
          proxy.ask({"SECKILL.BUY", "phone", user, "REQ", "r"}).starts_with("*4\r\n$2\r\nOK"));
    }
    ASSERT_TRUE(until_refused_at_once(proxy));
  }

  const test::TempFolder folder_;  // of journals
  test::RedisServer redis_;
};

TEST_F(SoldOutSaleTest, RefusesWithoutRedis) {
  const auto proxy = start(kLongUs);
  sell_out(*proxy);
  proxy->set_limits([](Limits& limits) { limits.beat_us = 60'000'000; });
  std::this_thread::sleep_for(std::chrono::milliseconds(100));  // no beat is left
  redis_.run({"CONFIG", "RESETSTAT"});
  const uint64_t before = proxy->shared().metrics->soldout.value();
  for (int i = 0; i < 100; ++i) {
    const std::string user = "user" + std::to_string(i);
    expect_at_once(*proxy, {"SECKILL.BUY", "phone", user, "REQ", "r"}, kSoldOut);
    expect_at_once(*proxy, {"seckillbuy", "phone", user, "QTY", "7", "FIELDS", "a", "b"}, kSoldOut);
  }
  EXPECT_EQ(redis_.run({"INFO", "commandstats"}).find("cmdstat_evalsha"), std::string::npos);
  EXPECT_EQ(proxy->shared().metrics->soldout.value(), before + 200);
}

TEST_F(SoldOutSaleTest, BuyersGetTheirOrderAndTheirLimit) {
  const auto proxy = start(kLongUs);
  sell_out(*proxy, "2");
  const std::string again = proxy->ask({"SECKILL.BUY", "phone", "ann", "REQ", "r"});
  EXPECT_TRUE(again.starts_with("*4\r\n$2\r\nOK")) << again;
  for (int i = 0; i < 10; ++i) {
    EXPECT_EQ(proxy->ask({"SECKILL.BUY", "phone", "ann", "REQ", "r"}), again);
    EXPECT_EQ(proxy->ask({"SECKILL.BUY", "phone", "ann", "QTY", "2", "REQ", "s"}),
              array({"LIMIT", ":1", order_of(again)}));
    EXPECT_EQ(proxy->ask({"SECKILL.BUY", "phone", "zoe", "QTY", "3"}), array({"LIMIT", ":0", "0"}));
  }
  EXPECT_EQ(proxy->ask({"SECKILL.BUY", "phone", "ann", "REQ", "other"}), kSoldOut);
}

TEST_F(SoldOutSaleTest, ErrorsComeFirst) {
  const auto proxy = start(kLongUs);
  sell_out(*proxy);
  for (const auto& words : std::vector<std::vector<std::string>>{
           {"SECKILL.BUY", "phone"},
           {"SECKILL.BUY", "phone", "a b"},
           {"SECKILL.BUY", "phone", "zoe", "QTY", "0"},
           {"SECKILL.BUY", "phone", "zoe", "REQ", ""},
           {"SECKILL.BUY", "phone", "zoe", "REQ", "a", "REQ", "b"},
           {"SECKILL.BUY", "phone", "zoe", "FIELDS", "a", "b", "a", "c"}}) {
    EXPECT_TRUE(proxy->ask(words).starts_with("-ERR ")) << testing::PrintToString(words);
  }
  EXPECT_EQ(proxy->ask({"SECKILL.PAUSE", "INTAKE"}), "+OK\r\n");
  EXPECT_TRUE(proxy->ask({"SECKILL.BUY", "phone", "zoe"}).starts_with("-BUSY "));
  EXPECT_EQ(proxy->ask({"SECKILL.RESUME", "INTAKE"}), "+OK\r\n");
  expect_at_once(*proxy, {"SECKILL.BUY", "phone", "zoe"}, kSoldOut);
}

// From the thread that owns the item and from one that does not.
TEST_F(SoldOutSaleTest, RestockBehindWhichAPurchaseComesIsSoldFrom) {
  const auto proxy = start(kLongUs, 2);
  sell_out(*proxy);
  for (int round = 0; round < 50; ++round) {
    for (size_t thread : {0, 1}) {
      const auto client = std::make_shared<Client>();
      const std::string user = "late" + std::to_string(round * 2) + std::to_string(thread);
      // In one pipeline: the purchase is parsed before the restock is answered.
      const uint64_t restock = proxy->send(client, {"SECKILL.RESTOCK", "phone", "1"}, thread);
      const uint64_t purchase =
          proxy->send(client, {"SECKILL.BUY", "phone", user, "REQ", "r"}, thread);
      EXPECT_EQ(client->wait(restock), array({"OK", ":1"}));
      ASSERT_TRUE(client->wait(purchase).starts_with("*4\r\n$2\r\nOK")) << client->wait(purchase);
      // Whoever bought is known at once, though the buyers were loaded before.
      EXPECT_EQ(proxy->ask({"SECKILL.BUY", "phone", user, "REQ", "r"}), client->wait(purchase));
      ASSERT_TRUE(until_refused_at_once(*proxy));
      EXPECT_EQ(proxy->ask({"SECKILL.BUY", "phone", user, "REQ", "r"}), client->wait(purchase));
    }
  }
}

TEST_F(SoldOutSaleTest, WhatIsAnsweredHasHappenedForEveryThread) {
  const auto proxy = start(kLongUs, 2);
  sell_out(*proxy);
  const auto client = std::make_shared<Client>();
  std::string order = order_of(proxy->ask({"SECKILL.BUY", "phone", "ann", "REQ", "r"}));
  std::string user = "ann";
  for (size_t round = 0; round < 50; ++round) {
    const size_t here = round % 2, there = 1 - here;
    EXPECT_EQ(client->wait(proxy->send(client, {"SECKILL.CANCEL", "phone", user, order}, here)),
              array({"OK", ":1"}));
    user = "next" + std::to_string(round);
    const std::string bought =
        client->wait(proxy->send(client, {"SECKILL.BUY", "phone", user}, there));
    ASSERT_TRUE(bought.starts_with("*4\r\n$2\r\nOK")) << round << ": " << bought;
    order = order_of(bought);
    ASSERT_TRUE(until_refused_at_once(*proxy));
  }
}

TEST_F(SoldOutSaleTest, ClosedItemIsClosedAtOnce) {
  const auto proxy = start(kLongUs);
  sell_out(*proxy);
  EXPECT_EQ(proxy->ask({"SECKILL.CLOSE", "phone"}), "+OK\r\n");
  EXPECT_EQ(proxy->ask({"SECKILL.BUY", "phone", "zoe"}), array({"CLOSED"}));
  EXPECT_EQ(proxy->ask({"SECKILL.REOPEN", "phone"}), "+OK\r\n");
  EXPECT_EQ(proxy->ask({"SECKILL.BUY", "phone", "zoe"}), kSoldOut);
  EXPECT_TRUE(until_refused_at_once(*proxy));
}

TEST_F(SoldOutSaleTest, WhoseFirstPurchaseIsUnderWayIsLeftToRedis) {
  const auto proxy = start(kLongUs);
  sell_out(*proxy);
  expect_at_once(*proxy, {"SECKILL.BUY", "phone", "zoe"}, kSoldOut);
  const uint64_t before = at_once(*proxy);
  {
    const auto first = proxy->shared().under_way.purchase(name_hash("phone"), name_hash("zoe"));
    EXPECT_EQ(proxy->ask({"SECKILL.BUY", "phone", "zoe"}), kSoldOut);
    EXPECT_EQ(proxy->ask({"SECKILL.BUY", "phone", "zoe"}), kSoldOut);
    EXPECT_EQ(at_once(*proxy), before);
  }
  // A reply may be here a moment before its operation has ended.
  for (int i = 0; i < 100 && at_once(*proxy) == before; ++i)
    EXPECT_EQ(proxy->ask({"SECKILL.BUY", "phone", "zoe"}), kSoldOut);
  EXPECT_GT(at_once(*proxy), before);
}

TEST_F(SoldOutSaleTest, SomeStayAndLargerQuantitiesAreRefusedWithTheirNumber) {
  const auto proxy = start(kLongUs);
  proxy->ask({"SECKILL.CREATE", "phone", "STOCK", "3"});
  const uint64_t before = at_once(*proxy);
  for (int i = 0; i < 400 && at_once(*proxy) == before; ++i)
    EXPECT_EQ(proxy->ask({"SECKILL.BUY", "phone", "zoe", "QTY", "4"}), array({"SOLDOUT", ":3"}));
  expect_at_once(*proxy, {"SECKILL.BUY", "phone", "zoe", "QTY", "9"}, array({"SOLDOUT", ":3"}));
  EXPECT_TRUE(proxy->ask({"SECKILL.BUY", "phone", "zoe", "QTY", "2"}).starts_with("*4"));
  EXPECT_EQ(proxy->ask({"SECKILL.BUY", "phone", "kim", "QTY", "2"}), array({"SOLDOUT", ":1"}));
}

TEST_F(SoldOutSaleTest, EndedSaleIsEndedWhateverTheLease) {
  const auto proxy = start(kLongUs);
  const int64_t end_ms = base::wall_ms() + 700;
  proxy->ask({"SECKILL.CREATE", "phone", "STOCK", "1", "END", std::to_string(end_ms)});
  proxy->ask({"SECKILL.BUY", "phone", "ann"});
  ASSERT_TRUE(until_refused_at_once(*proxy));
  std::string reply = kSoldOut;
  while (reply == kSoldOut) {
    const bool over = base::wall_ms() >= end_ms;  // Redis has the same clock
    reply = proxy->ask({"SECKILL.BUY", "phone", "zoe"});
    if (over) {
      ASSERT_EQ(reply, array({"ENDED", ":" + std::to_string(end_ms)}));
    }
  }
}

TEST_F(SoldOutSaleTest, LostRedisIsToldAtOnce) {
  const auto proxy = start(kLongUs);
  sell_out(*proxy);
  redis_.run({"SHUTDOWN", "NOSAVE"});
  for (int i = 0; i < 1000 && proxy->ready(); ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  ASSERT_FALSE(proxy->ready());
  for (int i = 0; i < 20; ++i)
    EXPECT_TRUE(proxy->ask({"SECKILL.BUY", "phone", "zoe"}).starts_with("-LOADING ")) << i;
}

TEST_F(SoldOutSaleTest, OtherProxysRestockShowsWithinTheLease) {
  constexpr int64_t kLeaseUs = 300'000;
  const auto one = start(kLeaseUs, 1, 7);
  const auto two = start(kLeaseUs, 1, 8);
  ASSERT_TRUE(one->wait_ready());
  ASSERT_EQ(two->ask_patiently({"SECKILL.CREATE", "phone", "STOCK", "1"}), "+OK\r\n");
  const std::string first = two->ask_patiently({"SECKILL.BUY", "phone", "ann", "REQ", "r"});
  for (int round = 0; round < 5; ++round) {
    ASSERT_TRUE(until_refused_at_once(*one)) << round;
    EXPECT_EQ(two->ask({"SECKILL.RESTOCK", "phone", "1"}), array({"OK", ":1"}));
    const int64_t told_us = base::monotonic_us();
    std::string reply = kSoldOut;
    int64_t asked_us = told_us;
    const std::string user = "next" + std::to_string(round);
    while (reply == kSoldOut) {
      asked_us = base::monotonic_us();
      reply = one->ask({"SECKILL.BUY", "phone", user});
    }
    EXPECT_TRUE(reply.starts_with("*4\r\n$2\r\nOK")) << reply;
    EXPECT_LT(asked_us - told_us, kLeaseUs);
  }
}

// A purchase that another proxy has just accepted must be found by its REQ, lease or not.
TEST_F(SoldOutSaleTest, RequestsThatAnotherProxyAcceptedGetTheirOrder) {
  const auto one = start(kLongUs, 1, 7);
  const auto two = start(kLongUs, 1, 8);
  ASSERT_EQ(two->ask_patiently({"SECKILL.CREATE", "phone", "STOCK", "1"}), "+OK\r\n");
  two->ask_patiently({"SECKILL.BUY", "phone", "ann", "REQ", "r"});
  for (int round = 0; round < 5; ++round) {
    ASSERT_TRUE(until_refused_at_once(*one)) << round;
    const std::string user = "next" + std::to_string(round);
    EXPECT_EQ(two->ask({"SECKILL.RESTOCK", "phone", "1"}), array({"OK", ":1"}));
    const std::string bought = two->ask({"SECKILL.BUY", "phone", user, "REQ", "r"});
    const std::string again = one->ask({"SECKILL.BUY", "phone", user, "REQ", "r"});
    EXPECT_EQ(order_of(again), order_of(bought)) << again;
  }
}

TEST_F(SoldOutSaleTest, BuyersWhomAnotherProxySoldToAreLoadedAnew) {
  const auto one = start(100'000, 1, 7);
  const auto two = start(100'000, 1, 8);
  ASSERT_EQ(two->ask_patiently({"SECKILL.CREATE", "phone", "STOCK", "1", "LIMIT", "1"}), "+OK\r\n");
  two->ask_patiently({"SECKILL.BUY", "phone", "ann"});
  ASSERT_TRUE(until_refused_at_once(*one));
  EXPECT_EQ(two->ask({"SECKILL.RESTOCK", "phone", "1"}), array({"OK", ":1"}));
  const std::string bob = two->ask({"SECKILL.BUY", "phone", "bob"});
  EXPECT_TRUE(bob.starts_with("*4\r\n$2\r\nOK")) << bob;
  std::this_thread::sleep_for(std::chrono::milliseconds(100));  // the lease
  for (int i = 0; i < 20; ++i) {
    EXPECT_EQ(one->ask({"SECKILL.BUY", "phone", "bob"}), array({"LIMIT", ":1", order_of(bob)}));
    ASSERT_TRUE(until_refused_at_once(*one));
  }
}

TEST_F(SoldOutSaleTest, EditByHandIsFoundWithinTheLease) {
  constexpr int64_t kLeaseUs = 300'000;
  const auto proxy = start(kLeaseUs);
  sell_out(*proxy);
  redis_.run({"DEL", kBuyersKey});
  const int64_t edited_us = base::monotonic_us();
  uint64_t before = 0;
  do {
    before = at_once(*proxy);
    EXPECT_EQ(proxy->ask_patiently({"SECKILL.BUY", "phone", "zoe", "REQ", "r"}), kSoldOut);
  } while (at_once(*proxy) > before || redis_.run({"EXISTS", kBuyersKey}) == "0");
  EXPECT_LT(base::monotonic_us() - edited_us, 10 * kLeaseUs);
  EXPECT_TRUE(proxy->ask_patiently({"SECKILL.BUY", "phone", "ann", "REQ", "r"})
                  .starts_with("*4\r\n$2\r\nOK"));
}

TEST_F(SoldOutSaleTest, ItemOfAnotherProxyThatIsTakenAwayByHandComesBackFromItsJournal) {
  const auto one = start(kLongUs, 1, 7);
  const auto two = start(kLongUs, 1, 8);
  ASSERT_EQ(two->ask_patiently({"SECKILL.CREATE", "phone", "STOCK", "1"}), "+OK\r\n");
  two->ask_patiently({"SECKILL.BUY", "phone", "ann"});
  ASSERT_TRUE(until_refused_at_once(*one));
  redis_.run({"DEL", kShelfKey, kBuyersKey});
  EXPECT_EQ(one->ask_patiently({"SECKILL.STOCK", "never"}), array({"NOITEM"}));
  EXPECT_EQ(two->ask_patiently({"SECKILL.BUY", "phone", "zoe"}), kSoldOut);
}

TEST_F(SoldOutSaleTest, MoreBuyersThanTheFilterHasRoomForAreLoadedAnew) {
  const auto proxy = start(kLongUs);
  sell_out(*proxy);
  const auto client = std::make_shared<Client>();
  EXPECT_EQ(proxy->ask({"SECKILL.RESTOCK", "phone", "3000"}), array({"OK", ":3000"}));
  std::vector<uint64_t> tokens;
  for (int i = 0; i < 3000; ++i)
    tokens.push_back(
        proxy->send(client, {"SECKILL.BUY", "phone", "late" + std::to_string(i), "REQ", "r"}));
  std::vector<std::string> bought;
  for (const uint64_t token : tokens) bought.push_back(client->wait(token));
  ASSERT_TRUE(until_refused_at_once(*proxy));
  for (int i = 0; i < 3000; i += 7) {
    const std::string again =
        proxy->ask({"SECKILL.BUY", "phone", "late" + std::to_string(i), "REQ", "r"});
    EXPECT_EQ(order_of(again), order_of(bought[static_cast<size_t>(i)])) << again;
  }
}

TEST_F(SoldOutSaleTest, WithoutMemoryOrLeaseRedisDecidesAll) {
  const size_t needed = SoldOut::bytes_for(1024 + 1);
  for (const auto& [lease_us, bytes, expected] :
       {std::tuple<int64_t, size_t, bool>{kLongUs, needed - 1, false},
        {0, 1 << 20, false},
        {kLongUs, needed, true}}) {
    const auto proxy = start(lease_us, 1, 7, bytes);
    const std::string item = "item" + std::to_string(bytes) + "-" + std::to_string(lease_us);
    proxy->ask({"SECKILL.CREATE", item, "STOCK", "1"});
    proxy->ask({"SECKILL.BUY", item, "ann"});
    EXPECT_EQ(until_refused_at_once(*proxy, item), expected) << item;
  }
}

using Words = std::vector<std::string>;

// One of the operations of a sale; of a CANCEL the order is still to be put in.
Words random_operation(std::mt19937& chance, const std::string& item) {
  const auto number = [&](unsigned below) { return std::to_string(chance() % below); };
  const std::string user = "user" + number(60);
  const unsigned kind = chance() % 100;
  if (kind < 80) {
    Words words{"SECKILL.BUY", item, user};
    if (chance() % 4 == 0) words.insert(words.end(), {"QTY", std::to_string(1 + chance() % 4)});
    if (chance() % 2 == 0) words.insert(words.end(), {"REQ", "r" + number(3)});
    return words;
  }
  if (kind < 86) return {"SECKILL.CANCEL", item, user, "order"};
  if (kind < 90) return {"SECKILL.RESTOCK", item, std::to_string(1 + chance() % 3)};
  if (kind < 93) return {"SECKILL.RESTOCK", item, "-1"};
  if (kind < 95) return {"SECKILL.CLOSE", item};
  if (kind < 98) return {"SECKILL.REOPEN", item};
  return {"SECKILL.STOCK", item};
}

// What two proxies must agree on in their replies to one operation.
std::string shape(std::string reply, bool pipelined) {
  if (reply.starts_with("*4")) {  // an order id, of which each has its own
    const std::string order = order_of(reply);
    reply.replace(reply.find("$" + std::to_string(order.size())), order.size() + 5, "(order)");
  }
  if (reply.starts_with("*3\r\n$5\r\nLIMIT")) reply.resize(20);
  if (reply.starts_with("*2\r\n$9\r\nCANCELLED")) reply.resize(17);
  if (pipelined && reply.find("SOLDOUT") != std::string::npos) reply = "SOLDOUT";
  return reply;
}

// One of the proxies that are asked the same, and the last order that each user got from it.
struct Asked {
  Proxy& proxy;
  std::map<std::string, std::string> orders;  // by "item user"

  std::vector<std::string> pipeline(const std::vector<Words>& operations, size_t thread) {
    const auto client = std::make_shared<Client>();
    std::vector<uint64_t> tokens;
    for (Words words : operations) {
      if (words[0] == "SECKILL.CANCEL") {
        const auto found = orders.find(words[1] + " " + words[2]);
        words[3] = found == orders.end() ? "1" : found->second;
      }
      tokens.push_back(proxy.send(client, words, thread));
    }
    std::vector<std::string> replies;
    for (size_t i = 0; i < operations.size(); ++i) {
      const Words& words = operations[i];
      replies.push_back(client->wait(tokens[i]));
      if (words[0] == "SECKILL.BUY" && replies[i].starts_with("*4"))
        orders[words[1] + " " + words[2]] = order_of(replies[i]);
    }
    return replies;
  }
};

// The same random operations with and without what is known of sold-out items, each on a Redis of
// its own: the same answers. Some are sent in one pipeline, where only the number that a refusal
// tells may be one purchase older.
TEST_F(SoldOutSaleTest, AnswersAreThoseOfRedis) {
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 chance(seed);
  test::RedisServer other_redis;
  std::filesystem::create_directory(folder_ / "other");
  Proxy without(folder_ / "other", other_redis.socket(), 2, 7,
                [](Limits& limits) { limits.sold_out_lease_us = 0; });
  ASSERT_TRUE(without.wait_ready());
  const auto with = start(20'000, 2);
  Asked knowing{*with, {}}, asking{without, {}};

  for (int item = 0; item < 4; ++item) {
    for (Proxy* proxy : {with.get(), &without}) {
      EXPECT_EQ(proxy->ask({"SECKILL.CREATE", "item" + std::to_string(item), "STOCK", "5", "LIMIT",
                            item % 2 == 0 ? "0" : "2"}),
                "+OK\r\n");
    }
  }
  for (int round = 0; round < 4000; ++round) {
    const size_t length = chance() % 8 == 0 ? 2 + chance() % 12 : 1, thread = chance() % 2;
    const std::string item = "item" + std::to_string(chance() % 4);
    std::vector<Words> sent;
    for (size_t i = 0; i < length; ++i) sent.push_back(random_operation(chance, item));
    const auto replies = knowing.pipeline(sent, thread), expected = asking.pipeline(sent, thread);
    for (size_t i = 0; i < length; ++i) {
      ASSERT_EQ(shape(replies[i], length > 1), shape(expected[i], length > 1))
          << "round " << round << ": " << testing::PrintToString(sent[i]);
    }
  }
  EXPECT_GT(at_once(*with), 100u);
  EXPECT_EQ(at_once(without), 0u);
}

}  // namespace
}  // namespace sluice::proxy::sale
