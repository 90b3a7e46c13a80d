// The whole sale below the sessions: owner threads, coalescer, gate, real Redis, real journal.
#include "proxy/sale/sale.h"

#include <gtest/gtest.h>

#include <set>
#include <utility>

#include "base/clock.h"
#include "journal/compactor.h"
#include "journal/segment.h"
#include "sale_fixture.h"
#include "tests/unit/temp_folder.h"

namespace sluice::proxy::sale {
namespace {

class SaleTest : public testing::Test {
 protected:
  std::unique_ptr<Proxy> start(size_t io_threads = 1) {
    auto proxy = std::make_unique<Proxy>(dir_, redis_.socket(), io_threads);
    EXPECT_TRUE(proxy->wait_ready());
    return proxy;
  }
  // Orders in the journal: order id → quantity, cancelled ones taken out.
  std::map<uint64_t, int64_t> journal_orders() {
    std::map<uint64_t, int64_t> orders;
    auto reader = journal::Reader::open(dir_, base::posix_file_system(), 1);
    EXPECT_TRUE(reader.ok());
    while (true) {
      auto group = (*reader)->next();
      EXPECT_TRUE(group.ok());
      if (!group.ok() || !*group) return orders;
      for (const journal::Record& record : (*group)->records) {
        if (record.type == journal::RecordType::kBuy) {
          EXPECT_TRUE(orders.emplace(record.order_id, record.quantity).second)
              << "order journaled twice";
        } else if (record.type == journal::RecordType::kCancel) {
          EXPECT_EQ(orders.erase(record.order_id), 1u);
        }
      }
    }
  }

  const test::TempFolder folder_;
  const std::string dir_ = folder_.path();  // the journal's
  test::RedisServer redis_;
};

TEST_F(SaleTest, EveryOutcomeHasTheContractsShape) {
  const auto proxy = start();
  EXPECT_EQ(proxy->ask({"SECKILL.BUY", "phone", "u1"}), array({"NOITEM"}));
  EXPECT_EQ(proxy->ask({"SECKILL.CREATE", "phone", "STOCK", "3", "LIMIT", "2"}), "+OK\r\n");
  EXPECT_EQ(proxy->ask({"SECKILL.CREATE", "phone", "STOCK", "3", "LIMIT", "2"}), "+OK\r\n");
  EXPECT_TRUE(proxy->ask({"SECKILL.CREATE", "phone", "STOCK", "4"}).starts_with("-EXISTS "));
  const std::string bought = proxy->ask({"SECKILL.BUY", "phone", "u1", "QTY", "2", "REQ", "r1"});
  const std::string order = order_of(bought);
  EXPECT_EQ(bought, array({"OK", order, ":1", "disk"}));
  EXPECT_EQ(proxy->ask({"seckillbuy", "phone", "u1", "REQ", "r1"}), bought);
  EXPECT_EQ(proxy->ask({"SECKILL.BUY", "phone", "u1"}), array({"LIMIT", ":2", order}));
  EXPECT_EQ(proxy->ask({"SECKILL.BUY", "phone", "u2", "QTY", "2"}), array({"SOLDOUT", ":1"}));
  EXPECT_EQ(proxy->ask({"SECKILL.ORDER", "phone", "u1", order}),
            array({"FOUND", order, "u1", ":2", "placed", "disk"}));
  EXPECT_EQ(proxy->ask({"SECKILL.ORDER", "phone", "u1", "REQ", "r1"}),
            array({"FOUND", order, "u1", ":2", "placed", "disk"}));
  EXPECT_EQ(proxy->ask({"SECKILL.ORDER", "phone", "u2", order}), array({"NOORDER"}));
  EXPECT_EQ(proxy->ask({"SECKILL.CANCEL", "phone", "u1", order}), array({"OK", ":3"}));
  EXPECT_EQ(proxy->ask({"SECKILL.CANCEL", "phone", "u1", order}), array({"ALREADY"}));
  EXPECT_EQ(proxy->ask({"SECKILL.RESTOCK", "phone", "5", "REQ", "s"}), array({"OK", ":8"}));
  EXPECT_EQ(proxy->ask({"SECKILL.CLOSE", "phone"}), "+OK\r\n");
  EXPECT_EQ(proxy->ask({"SECKILL.BUY", "phone", "u3"}), array({"CLOSED"}));
  EXPECT_EQ(proxy->ask({"SECKILL.REOPEN", "phone"}), "+OK\r\n");
  EXPECT_EQ(proxy->ask({"SECKILL.STOCK", "phone"}),
            array({"item", "phone", "stock", ":8", "sold", ":0", "remaining", ":8", "limit", ":2",
                   "start", ":0", "end", ":0", "state", "open"}));
  EXPECT_EQ(proxy->ask({"SECKILL.LIST"}), "*2\r\n$1\r\n0\r\n*1\r\n$5\r\nphone\r\n");
}

TEST_F(SaleTest, DurabilityRisesToDatabaseWithTheDrainAndClaimsNothingBefore) {
  const auto proxy = start();
  proxy->ask({"SECKILL.CREATE", "phone", "STOCK", "3"});
  proxy->ask({"SECKILL.BUY", "phone", "a", "REQ", "r"});  // sequence 2
  proxy->ask({"SECKILL.BUY", "phone", "b", "REQ", "r"});  // sequence 3
  proxy->shared().drained_sequence = 2;
  EXPECT_NE(proxy->ask({"SECKILL.ORDER", "phone", "a", "REQ", "r"}).find("database"),
            std::string::npos);
  EXPECT_NE(proxy->ask({"SECKILL.ORDER", "phone", "b", "REQ", "r"}).find("disk"),
            std::string::npos);
}

TEST_F(SaleTest, PausedIntakeRefusesPurchasesOnly) {
  const auto proxy = start();
  proxy->ask({"SECKILL.CREATE", "phone", "STOCK", "3"});
  EXPECT_EQ(proxy->ask({"SECKILL.PAUSE", "INTAKE"}), "+OK\r\n");
  EXPECT_TRUE(proxy->ask({"SECKILL.BUY", "phone", "a"}).starts_with("-BUSY "));
  EXPECT_EQ(proxy->ask({"SECKILL.RESTOCK", "phone", "1"}), array({"OK", ":4"}));
  EXPECT_EQ(proxy->ask({"SECKILL.RESUME", "intake"}), "+OK\r\n");
  EXPECT_TRUE(proxy->ask({"SECKILL.BUY", "phone", "a"}).starts_with("*4\r\n$2\r\nOK"));
}

TEST_F(SaleTest, RestartKeepsEveryRequestsOrder) {
  std::string first;
  {
    const auto proxy = start();
    proxy->ask({"SECKILL.CREATE", "phone", "STOCK", "3"});
    first = order_of(proxy->ask({"SECKILL.BUY", "phone", "a", "REQ", "r"}));
  }
  const auto proxy = start(2);
  EXPECT_EQ(order_of(proxy->ask({"SECKILL.BUY", "phone", "a", "REQ", "r"})), first);
  EXPECT_GT(std::stoull(order_of(proxy->ask({"SECKILL.BUY", "phone", "a", "REQ", "r2"}))),
            std::stoull(first));
}

TEST_F(SaleTest, ReceiptCompletesWhatRedisAppliedAndTheJournalNeverGot) {
  std::string request_order;
  {
    const auto proxy = start();
    proxy->ask({"SECKILL.CREATE", "phone", "STOCK", "5"});
  }
  // What a proxy leaves that dies between the script and the journal.
  Operation lost;
  lost.verb = Verb::kBuy, lost.item = "phone", lost.user = "a", lost.quantity = 2;
  lost.request = "r";
  OrderIds ids(7);
  lost.order_id = ids.at(ids.take(1, base::wall_ms()), 0);
  const std::string answer = purchase_call(redis_, {lost}, "1");
  ASSERT_TRUE(answer.starts_with("OK 2 ")) << answer;
  const auto proxy = start();
  EXPECT_EQ(order_of(proxy->ask({"SECKILL.BUY", "phone", "a", "REQ", "r"})),
            std::to_string(lost.order_id));
  const auto orders = journal_orders();
  ASSERT_EQ(orders.size(), 1u);
  EXPECT_EQ(orders.begin()->first, lost.order_id);
  EXPECT_EQ(orders.begin()->second, 2);
}

TEST_F(SaleTest, EmptiedRedisIsRebuiltFromTheJournalAlsoInMidSale) {
  const auto proxy = start();
  proxy->ask({"SECKILL.CREATE", "phone", "STOCK", "10", "LIMIT", "2"});
  const std::string order =
      order_of(proxy->ask({"SECKILL.BUY", "phone", "a", "QTY", "2", "REQ", "r"}));
  redis_.run({"FLUSHALL"});
  EXPECT_EQ(order_of(proxy->ask_patiently({"SECKILL.BUY", "phone", "a", "REQ", "r"})), order);
  // Patiently: the heartbeat may see the flush after the purchase did, and ask all gates again.
  EXPECT_EQ(proxy->ask_patiently({"SECKILL.BUY", "phone", "a"}), array({"LIMIT", ":2", order}));
  EXPECT_NE(proxy->ask_patiently({"SECKILL.STOCK", "phone"}).find("remaining\r\n:8"),
            std::string::npos);
}

// The chunks behind the creation find nothing to add to. It is no reason to give the item up: its
// creation is in the journal, and is replayed once more.
TEST_F(SaleTest, RedisFlushedAgainInTheMiddleOfAReplayIsRebuiltAllTheSame) {
  constexpr size_t kOrders = 20'000;  // some ten chunks
  const auto proxy = start();
  proxy->ask({"SECKILL.CREATE", "phone", "STOCK", std::to_string(2 * kOrders)});
  const std::vector<std::string> first{"SECKILL.BUY", "phone", "user-0", "REQ", "r"};
  const std::string order = order_of(proxy->ask(first));
  const auto client = std::make_shared<Client>();
  for (size_t sold = 1; sold < kOrders;) {
    std::vector<std::vector<std::string>> purchases;
    for (size_t i = 0; i < 1000 && sold < kOrders; ++i, ++sold) {
      purchases.push_back({"SECKILL.BUY", "phone", "user-" + std::to_string(sold), "REQ", "r"});
    }
    for (const uint64_t token : proxy->send_all(client, purchases)) {
      const std::string reply = client->wait(token);
      ASSERT_TRUE(reply.starts_with("*4\r\n")) << reply;
    }
  }

  // A replay takes some 30 ms, so most of these strike in the middle of one.
  for (int flushes = 0; flushes < 40; ++flushes) {
    redis_.run({"FLUSHALL"});
    const std::string reply = proxy->ask(first);
    EXPECT_TRUE(reply.starts_with("-LOADING ") || order_of(reply) == order) << reply;
    std::this_thread::sleep_for(std::chrono::milliseconds(flushes % 20));
  }
  EXPECT_EQ(order_of(proxy->ask_patiently(first)), order);
  EXPECT_EQ(redis_.run({"HLEN", kBuyersKey}), std::to_string(kOrders + 1)) << "one of no buyer";
}

// Drained, closed, retention over: the journal tells nothing of the item any more.
TEST_F(SaleTest, RetiredItemIsStillServedAfterARestart) {
  std::string order;
  {
    const auto proxy = start();
    proxy->ask({"SECKILL.CREATE", "phone", "STOCK", "3"});
    order = order_of(proxy->ask({"SECKILL.BUY", "phone", "a", "REQ", "r"}));
    proxy->ask({"SECKILL.CLOSE", "phone"});
  }
  {
    const auto proxy =
        start();  // with segments of 4 MiB, filled so that the first one is left behind
    proxy->ask({"SECKILL.CREATE", "pen", "STOCK", "1000000"});
    const auto client = std::make_shared<Client>();
    for (int i = 0; i < 6000; ++i) {
      const uint64_t token = proxy->send(client, {"SECKILL.BUY", "pen", "b" + std::to_string(i),
                                                  "FIELDS", "k", std::string(1000, 'v')});
      if (i % 100 == 99) {
        ASSERT_TRUE(client->wait(token).starts_with("*4"));
      }
    }
  }
  base::FileSystem& fs = base::posix_file_system();
  const uint64_t end = journal::extent(dir_, fs)->last_sequence + 1;
  const auto passed = journal::Compactor(dir_, fs).pass(end, INT64_MAX, 0);
  ASSERT_TRUE(passed.ok()) << passed.error().message();
  ASSERT_GT(passed->segments_removed, 0u);
  ASSERT_EQ(passed->items_retired, 1u);
  const auto proxy = start();
  EXPECT_EQ(proxy->ask({"SECKILL.ORDER", "phone", "a", "REQ", "r"}),
            array({"FOUND", order, "a", ":1", "placed", "database"}));
  EXPECT_EQ(proxy->ask({"SECKILL.BUY", "phone", "c"}), array({"CLOSED"}));
  EXPECT_EQ(proxy->ask({"SECKILL.REOPEN", "phone"}), "+OK\r\n");
  EXPECT_EQ(order_of(proxy->ask({"SECKILL.BUY", "phone", "a", "REQ", "r"})), order);
}

TEST_F(SaleTest, AnItemIsDeletedOnceItIsOverAndAllOfItIsInMySql) {
  const auto proxy = start();
  proxy->ask({"SECKILL.CREATE", "phone", "STOCK", "3"});
  proxy->ask({"SECKILL.BUY", "phone", "a", "REQ", "r"});
  EXPECT_EQ(proxy->ask({"SECKILL.DELETE", "phone"}), array({"OPEN"}));
  proxy->ask({"SECKILL.CLOSE", "phone"});
  EXPECT_EQ(proxy->ask({"SECKILL.DELETE", "phone"}), array({"PENDING", ":3"}));
  proxy->shared().drained_sequence = 2;
  EXPECT_EQ(proxy->ask({"SECKILL.DELETE", "phone"}), array({"PENDING", ":1"}));
  proxy->shared().drained_sequence = 3;
  EXPECT_EQ(proxy->ask({"SECKILL.DELETE", "phone"}), "+OK\r\n");
  EXPECT_EQ(proxy->ask({"SECKILL.DELETE", "phone"}), array({"PENDING", ":1"}));
  EXPECT_EQ(proxy->ask({"SECKILL.LIST"}), "*2\r\n$1\r\n0\r\n*0\r\n");
  EXPECT_TRUE(proxy->ask({"SECKILL.CREATE", "phone", "STOCK", "2"}).starts_with("-EXISTS "))
      << "its row is still to go";
  proxy->shared().drained_sequence = 4;
  const std::vector<std::string> create{"SECKILL.CREATE", "phone", "STOCK", "2"};
  std::string created = proxy->ask(create);
  for (int i = 0; i < 2000 && created.starts_with("-EXISTS "); ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
    created = proxy->ask(create);
  }
  EXPECT_EQ(created, "+OK\r\n");
  EXPECT_EQ(proxy->ask({"SECKILL.DELETE", "phone"}), array({"OPEN"}));
  EXPECT_TRUE(proxy->ask({"SECKILL.BUY", "phone", "a", "REQ", "r"}).starts_with("*4\r\n$2\r\nOK"));
  redis_.run({"FLUSHALL"});
  EXPECT_NE(proxy->ask_patiently({"SECKILL.STOCK", "phone"}).find("remaining\r\n:1"),
            std::string::npos)
      << "the one that was deleted does not come back";
}

TEST_F(SaleTest, WhatHasBeenOverForLongIsDeletedByItself) {
  Proxy proxy(dir_, redis_.socket(), 1, 7, [](Limits& limits) {
    limits.retention_round_us = 640'000;  // 10 ms a shelf
    limits.retain_ms = 100;
  });
  ASSERT_TRUE(proxy.wait_ready());
  for (const char* item : {"phone", "pen", "tv"})
    proxy.ask({"SECKILL.CREATE", item, "STOCK", "3"});
  proxy.ask({"SECKILL.CLOSE", "phone"});
  proxy.ask({"SECKILL.CREATE", "late", "STOCK", "3", "END", "1000"});
  proxy.shared().drained_sequence = 1000;
  const auto is_there = [&](const char* item) {
    return redis_.run({"HEXISTS", shelves::shelf_key(shelf_of(item)), item}) == "1";
  };
  for (int i = 0; i < 2000 && (is_there("phone") || is_there("late")); ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  EXPECT_FALSE(is_there("phone"));
  EXPECT_FALSE(is_there("late"));
  EXPECT_TRUE(is_there("pen"));
  EXPECT_TRUE(is_there("tv"));
}

TEST_F(SaleTest, ForeignJournalIsRefusedNotMixed) {
  { start()->ask({"SECKILL.CREATE", "phone", "STOCK", "10"}); }
  std::filesystem::remove_all(dir_);
  std::filesystem::create_directory(dir_);
  Proxy proxy(dir_, redis_.socket(), 1);
  for (int i = 0; i < 1000 && proxy.fatal().empty(); ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  EXPECT_NE(proxy.fatal().find("another journal"), std::string::npos) << proxy.fatal();
}

TEST_F(SaleTest, EvictingRedisIsRefused) {
  redis_.run({"CONFIG", "SET", "maxmemory-policy", "allkeys-lru"});
  Proxy proxy(dir_, redis_.socket(), 1);
  for (int i = 0; i < 1000 && proxy.fatal().empty(); ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  EXPECT_NE(proxy.fatal().find("noeviction"), std::string::npos) << proxy.fatal();
}

// Without INFO nobody knows which Redis process this is, nor whether it evicts: nothing is sold.
TEST_F(SaleTest, RedisThatHidesItsIdentityIsNotSoldOn) {
  redis_.run({"CONFIG", "SET", "maxmemory-policy", "allkeys-lru"});
  redis_.run({"ACL", "SETUSER", "default", "-info"});
  Proxy proxy(dir_, redis_.socket(), 1);
  std::string reply;
  for (int i = 0; i < 1000 && reply.find("INFO") == std::string::npos; ++i) {
    reply = proxy.ask({"SECKILL.CREATE", "phone", "STOCK", "10"});
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  EXPECT_TRUE(reply.starts_with("-LOADING ")) << reply;
  EXPECT_NE(reply.find("Redis refused INFO: NOPERM"), std::string::npos) << reply;
  redis_.run({"CONFIG", "SET", "maxmemory-policy", "noeviction"});
  redis_.run({"ACL", "SETUSER", "default", "+info"});
  EXPECT_EQ(proxy.ask_patiently({"SECKILL.CREATE", "phone", "STOCK", "10"}), "+OK\r\n");
}

// Redis that cannot write while the gate asks (memory or disk full) is waited for.
TEST_F(SaleTest, GateWaitsUntilRedisCanWriteAgain) {
  auto proxy = start();
  proxy->ask({"SECKILL.CREATE", "phone", "STOCK", "10"});
  const std::string order = order_of(proxy->ask({"SECKILL.BUY", "phone", "a", "REQ", "r"}));
  const auto ask_until = [&](std::string_view wanted) {
    std::string reply;
    for (int i = 0; i < 2000 && reply.find(wanted) == std::string::npos; ++i) {
      reply = proxy->ask({"SECKILL.BUY", "phone", "a", "REQ", "r"});
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    return reply;
  };
  redis_.run({"CONFIG", "SET", "maxmemory", "1"});
  redis_.run({"CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"});
  EXPECT_TRUE(ask_until("OOM").starts_with("-BUSY "));
  redis_.run({"CONFIG", "SET", "maxmemory", "0"});
  EXPECT_EQ(ask_until("disk"), array({"OK", order, ":9", "disk"}));

  proxy.reset();  // and the same while the replay is refused
  redis_.run({"FLUSHALL"});
  redis_.run({"CONFIG", "SET", "maxmemory", "1"});
  proxy = std::make_unique<Proxy>(dir_, redis_.socket(), 1);
  EXPECT_TRUE(ask_until("OOM").starts_with("-BUSY "));
  redis_.run({"CONFIG", "SET", "maxmemory", "0"});
  EXPECT_EQ(ask_until("disk"), array({"OK", order, ":9", "disk"}));
}

// The ids of a receipt's cancels and queries are whatever clients wrote there.
TEST_F(SaleTest, OrderIdThatAClientMadeUpDoesNotMoveTheCounter) {
  { start()->ask({"SECKILL.CREATE", "phone", "STOCK", "5"}); }
  Operation bogus, lost;
  bogus.item = lost.item = "phone";
  bogus.verb = Verb::kCancel, bogus.user = "b", bogus.order_id = INT64_MAX;
  lost.verb = Verb::kBuy, lost.user = "a", lost.quantity = 2, lost.order_id = 1;
  const std::string answer = purchase_call(redis_, {bogus, lost}, "1");
  ASSERT_TRUE(answer.starts_with("OK 2 ")) << answer;
  const std::string order = order_of(start()->ask({"SECKILL.BUY", "phone", "c"}));
  const uint64_t issued = std::stoull(order),
                 now = OrderIds(7).at(OrderIds(7).take(1, base::wall_ms()), 0);
  EXPECT_LE(issued, now);
  EXPECT_EQ(journal_orders().size(), 2u);
}

// A journal that takes nothing more: what Redis accepted is not known to be durable.
class FailedJournal final : public journal::GroupCommit {
 public:
  bool reserve(size_t) override { return true; }  // its other users may not have noticed yet
  void release(size_t) override {}
  void submit(std::string, uint32_t, size_t, uint64_t, Done done) override {
    done({Error(ErrorClass::kIo, "the disk is gone"), 0, false});
  }
  uint64_t synced_sequence() const override { return 1; }
  uint64_t written_sequence() const override { return 1; }
  uint64_t journal_id() const override { return 1; }
  int64_t bytes_used() const override { return 0; }
  int64_t busy_us() const override { return 0; }
  bool full() const override { return false; }
  std::string shortage() const override { return ""; }
  Status stop() override { return {}; }
};

TEST_F(SaleTest, OrderThatTheJournalFailedToTakeIsNotToldToThoseWhoAskAgain) {
  const auto proxy = start();
  proxy->ask({"SECKILL.CREATE", "phone", "STOCK", "10"});
  FailedJournal failed;
  journal::GroupCommit* const whole = proxy->set_journal(&failed);
  const auto client = std::make_shared<Client>();
  std::vector<uint64_t> tokens;
  for (int i = 0; i < 200; ++i) {
    tokens.push_back(proxy->send(client, {"SECKILL.BUY", "phone", "a", "REQ", "r"}));
    tokens.push_back(proxy->send(client, {"SECKILL.ORDER", "phone", "a", "REQ", "r"}));
    if (i % 20 == 0) client->wait(tokens.back());
  }
  for (const uint64_t token : tokens) {
    const std::string reply = client->wait(token);
    EXPECT_TRUE(reply.starts_with("-UNKNOWNSTATE ") || reply.starts_with("-LOADING ") ||
                reply == array({"NOORDER"}))
        << reply;
  }
  EXPECT_NE(proxy->fatal().find("the disk is gone"), std::string::npos) << proxy->fatal();
  proxy->set_journal(whole);
}

// Buyers who ask again until they know, while the sale's connections to Redis are cut over and
// over: every REQ ends with one order, the stock is sold exactly, the journal holds each order
// once.
TEST_F(SaleTest, CutConnectionsLoseNothingAndSellNothingTwice) {
  constexpr int kStock = 500, kBuyers = 800;
  const auto proxy = start(2);
  proxy->ask({"SECKILL.CREATE", "phone", "STOCK", std::to_string(kStock)});
  std::atomic<bool> done{false};
  std::thread cutter([&] {
    while (!done) {
      redis_.run({"CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"});
      std::this_thread::sleep_for(std::chrono::milliseconds(7));
    }
  });
  std::mutex mutex;
  std::map<std::string, std::set<std::string>> told;  // user → order ids told
  int soldout = 0;
  std::vector<std::thread> clients;
  for (int c = 0; c < 8; ++c) {
    clients.emplace_back([&, c] {
      const auto client = std::make_shared<Client>();
      for (int b = c; b < kBuyers; b += 8) {
        const std::string user = "u" + std::to_string(b);
        for (int attempt = 0; attempt < 2000; ++attempt) {
          const std::string reply =
              client->wait(proxy->send(client, {"SECKILL.BUY", "phone", user, "REQ", "r"}, c % 2));
          const std::lock_guard lock(mutex);
          if (reply.starts_with("*4\r\n$2\r\nOK")) {
            told[user].insert(order_of(reply));
            if (b % 3 == 0 && attempt < 2) continue;  // some ask again although they know
            break;
          }
          if (reply.find("SOLDOUT") != std::string::npos) {
            ++soldout;
            break;
          }
          ASSERT_TRUE(reply.starts_with("-LOADING") || reply.starts_with("-UNKNOWNSTATE")) << reply;
          std::this_thread::sleep_for(std::chrono::milliseconds(1));
        }
      }
    });
  }
  for (std::thread& client : clients) client.join();
  done = true;
  cutter.join();
  ASSERT_TRUE(proxy->wait_ready());
  EXPECT_EQ(told.size(), static_cast<size_t>(kStock));
  EXPECT_EQ(soldout, kBuyers - kStock);
  std::set<std::string> distinct;
  for (const auto& [user, orders] : told) {
    EXPECT_EQ(orders.size(), 1u) << user << " was told two orders for one REQ";
    distinct.insert(orders.begin(), orders.end());
  }
  EXPECT_EQ(distinct.size(), told.size());
  EXPECT_EQ(item_in(redis_).sold, static_cast<uint32_t>(kStock));
  const auto journaled = journal_orders();
  EXPECT_EQ(journaled.size(), static_cast<size_t>(kStock));
  for (const std::string& order : distinct)
    EXPECT_TRUE(journaled.contains(std::stoull(order))) << order;
}

}  // namespace
}  // namespace sluice::proxy::sale
