// Several proxies on one Redis: joining, a Redis that was flushed or edited, a proxy that is down.
#include "proxy/sale/lanes.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <future>

#include "lanes_fixture.h"
#include "proxy/sale/replay.h"

namespace sluice::proxy::sale {
namespace {

TEST_F(LanesTest, PeersFileIsReadBackAndDamageIsRefused) {
  auto& fs = base::posix_file_system();
  const auto open_lanes = [&] { return Lanes::open(journal(7), fs, 7, [](const Error&) {}); };
  {
    auto lanes = open_lanes();
    ASSERT_TRUE(lanes.ok());
    EXPECT_EQ((*lanes)->known(), ",7,");
    (*lanes)->learn(8, "111");
    (*lanes)->learn(1023, "222");
    for (int i = 0; i < 2000 && (*lanes)->peers().size() < 2; ++i)
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    EXPECT_EQ((*lanes)->known(), ",7,8,1023,");
  }
  EXPECT_EQ((*open_lanes())->peers(), (Lanes::Peers{{8, "111"}, {1023, "222"}}));
  const std::string path = journal(7) + "/peers";
  std::string text = *base::read_file(fs, path, 1000);
  for (size_t i = 0; i < text.size(); ++i) {
    std::string damaged = text;
    damaged[i] ^= 1;
    ASSERT_TRUE(base::write_file(fs, path, damaged).ok());
    const auto lanes = open_lanes();
    ASSERT_FALSE(lanes.ok()) << "byte " << i;
    EXPECT_EQ(lanes.error().cls(), ErrorClass::kCorrupt);
    EXPECT_NE(lanes.error().message().find(path), std::string::npos);
    ASSERT_TRUE(base::write_file(fs, path, std::string_view(text).substr(0, i)).ok());
    EXPECT_FALSE(open_lanes().ok()) << "cut at " << i;
  }
}

TEST_F(LanesTest, FirstJoinWhileAnotherSellsIsKnownToBothBeforeItSells) {
  const auto a = start(7);
  a->ask_patiently({"SECKILL.CREATE", "phone", "STOCK", "10"});
  buy(*a, "u1");
  const auto b = start(8, 2);
  expect_known(*a, ",7,8,");
  expect_known(*b, ",7,8,");
  buy(*b, "u2");
  buy(*a, "u3");
  EXPECT_EQ(remaining(*a), "7");
  EXPECT_EQ(remaining(*b), "7");
}

TEST_F(LanesTest, ProxyDoesNotSellUntilEveryMemberKnowsIt) {
  start(7)->ask({"SECKILL.CREATE", "phone", "STOCK", "10"});
  const auto b = launch(8);
  EXPECT_NE(
      ask_until(*b, {"SECKILL.BUY", "phone", "u"}, "proxy 7").find("-LOADING waiting for proxy 7"),
      std::string::npos);
  EXPECT_FALSE(b->ready());
  const auto a = start(7);
  EXPECT_TRUE(b->wait_ready());
  EXPECT_FALSE(buy(*b, "u").empty());
}

TEST_F(LanesTest, MemberThatIsGivenUpIsWaitedForNoMoreAndJoinsAnewWhenItComesBack) {
  start(7)->ask({"SECKILL.CREATE", "phone", "STOCK", "10"});
  const auto b = launch(8);
  ask_until(*b, {"SECKILL.BUY", "phone", "u"}, "proxy 7");
  // As sluice-ctl peers forget does it.
  give_up("7");
  EXPECT_TRUE(b->wait_ready());
  expect_known(*b, ",8,");
  buy(*b, "u");
  const auto a = start(7);
  expect_known(*b, ",7,8,");
  EXPECT_EQ(remaining(*a), "9");
}

// The peers file is of lines: a newline in a value would make it one that no start reads again.
TEST_F(LanesTest, ValueThatIsNoJournalsIdIsIgnoredAndNeverReachesThePeersFile) {
  auto a = start(7);
  a->ask({"SECKILL.CREATE", "phone", "STOCK", "10"});
  redis_.run({"HSET", kShelfKey, "@lanes", ",7,9,8\n6,x,"});
  for (const char* value : {"12\n13 14", "x", "", "0", "99999999999999999999", "-1"}) {
    redis_.run({"HSET", kShelfKey, "@member:9", value});
    std::this_thread::sleep_for(std::chrono::milliseconds(60));  // some beats
    EXPECT_EQ(a->shared().lanes->known().find("9"), std::string::npos) << value;
    EXPECT_FALSE(buy(*a, std::string("u") + std::to_string(value[0])).empty());
  }
  EXPECT_EQ(a->fatal(), "");
  a.reset();
  redis_.run({"HDEL", kShelfKey, "@member:9"});
  redis_.run({"HSET", kShelfKey, "@lanes", ",7,"});
  EXPECT_TRUE(start(7)->ready());
}

TEST_F(LanesTest, FlushedRedisGetsTheOrdersOfAllLanesBackBeforeAnybodySells) {
  const auto a = start(7), b = start(8, 2);
  a->ask_patiently({"SECKILL.CREATE", "phone", "STOCK", "5", "LIMIT", "1"});
  const std::string first = buy(*a, "u1"), second = buy(*b, "u2"), third = buy(*a, "u3");
  a->ask({"SECKILL.CANCEL", "phone", "u2", second});
  redis_.run({"FLUSHALL"});
  EXPECT_EQ(buy(*b, "u1"), first);
  EXPECT_EQ(buy_again(*a, "u2"), array({"CANCELLED", second}));
  EXPECT_EQ(buy(*b, "u3"), third);
  EXPECT_EQ(remaining(*a), "3");
  EXPECT_NE(a->ask({"SECKILL.ORDER", "phone", "u2", second}).find("cancelled"), std::string::npos);
  EXPECT_EQ(remaining(*b), "3");
}

// More items to be replayed than chunks are under way, and a Redis that answers none of them: the
// thread that reads the journal ends whenever the connection does, and holds nobody up.
TEST_F(LanesTest, ReplayOfManyItemsIsGivenUpAtAnyPoint) {
  const auto a = start(7);
  std::vector<Replay::Target> targets;
  for (uint32_t shelf = 0; shelf < 64; ++shelf) targets.push_back({shelf, 1, 0, false});
  for (int i = 0; i < 300; ++i) {
    const std::string name = "i" + std::to_string(i);
    ASSERT_EQ(a->ask({"SECKILL.CREATE", name, "STOCK", "5"}), "+OK\r\n");
  }
  upstream::IoThread idle(0);
  upstream::Inbox inbox(idle);
  upstream::RedisClient nobody(idle, {});
  for (const int after_ms : {0, 1, 3, 10, 30, 100, 300}) {
    auto replay = std::make_unique<Replay>(a->shared(), inbox, nobody, targets, [](const auto&) {});
    std::this_thread::sleep_for(std::chrono::milliseconds(after_ms));
    auto given_up = std::async(std::launch::async, [&] { replay.reset(); });
    if (given_up.wait_for(std::chrono::seconds(20)) == std::future_status::ready) continue;
    ADD_FAILURE() << "a replay given up after " << after_ms << " ms never ends";
    std::quick_exit(1);  // it holds this thread up too
  }
}

// A proxy that has joined and was never asked for anything is waited for like any other: it must
// not take an empty Redis for one on which nothing was ever sold.
TEST_F(LanesTest, IdleProxyMakesItselfKnownToAnEmptyRedisAgain) {
  auto a = start(7);
  a->ask_patiently({"SECKILL.CREATE", "phone", "STOCK", "5"});
  buy(*a, "u1");
  const auto b = start(8);
  const auto knows = [&](const std::string& lane) {
    const std::string field = "@knows:" + lane;
    for (int i = 0; i < 2000 && redis_.run({"HGET", kShelfKey, field}) != ",7,8,"; ++i)
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    return redis_.run({"HGET", kShelfKey, field}) == ",7,8,";
  };
  EXPECT_TRUE(knows("7"));
  EXPECT_TRUE(knows("8"));
  a.reset();
  redis_.run({"FLUSHALL"});
  EXPECT_TRUE(knows("8"));
  a = start(7);
  EXPECT_EQ(remaining(*a), "4");
}

// Without a purchase through either: the heartbeat sees it, each proxy brings its orders back.
TEST_F(LanesTest, FlushWithoutTrafficIsNoticed) {
  const auto a = start(7), b = start(8);
  a->ask_patiently({"SECKILL.CREATE", "phone", "STOCK", "5"});
  b->ask_patiently({"SECKILL.CREATE", "pen", "STOCK", "5"});
  buy(*a, "u1");
  buy(*b, "u2");
  redis_.run({"FLUSHALL"});
  const auto is_back = [&] {
    return item_in(redis_).sold == 2 && item_in(redis_, "pen").stock == 5;
  };
  for (int i = 0; i < 2000 && !is_back(); ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  EXPECT_TRUE(is_back());
  EXPECT_EQ(remaining(*b), "3");
  EXPECT_EQ(remaining(*a, "pen"), "5");
}

TEST_F(LanesTest, ItemWaitsForTheLaneOfAProxyThatIsDownAndSaysForWhich) {
  const auto a = start(7);
  auto b = start(8);
  a->ask_patiently({"SECKILL.CREATE", "phone", "STOCK", "5"});
  buy(*a, "u1");
  const std::string theirs = buy(*b, "u2");
  b.reset();
  redis_.run({"FLUSHALL"});
  const std::vector<std::string> ask{"SECKILL.BUY", "phone", "u3", "REQ", "r"};
  const std::string reply = ask_until(*a, ask, "proxy 8");
  EXPECT_TRUE(reply.starts_with("-LOADING waiting for proxy 8")) << reply;
  EXPECT_NE(reply.find("peers forget 8"), std::string::npos) << reply;
  // An item that nobody here knows may come back with the other proxy: it is not "no item" yet.
  EXPECT_TRUE(a->ask({"SECKILL.BUY", "pen", "u"}).starts_with("-LOADING "));
  EXPECT_TRUE(a->ask({"SECKILL.CREATE", "pen", "STOCK", "1"}).starts_with("-LOADING "));
  b = start(8);
  EXPECT_EQ(buy(*a, "u2"), theirs);
  EXPECT_EQ(remaining(*a), "3");
  EXPECT_EQ(a->ask_patiently({"SECKILL.BUY", "pen", "u"}), array({"NOITEM"}));
}

TEST_F(LanesTest, AnItemIsDeletedOnceEveryLaneHasFollowed) {
  const auto a = start(7), b = start(8);
  a->ask_patiently({"SECKILL.CREATE", "phone", "STOCK", "5"});
  buy(*a, "u1");
  buy(*b, "u2");
  a->ask_patiently({"SECKILL.CLOSE", "phone"});
  a->shared().drained_sequence = 1000;
  EXPECT_TRUE(ask_until(*a, {"SECKILL.DELETE", "phone"}, "PENDING").starts_with("*2"));
  std::this_thread::sleep_for(std::chrono::milliseconds(100));  // some beats
  EXPECT_EQ(a->ask({"SECKILL.DELETE", "phone"}), array({"PENDING", ":1"}))
      << "what the other has sold is not in MySQL";
  EXPECT_EQ(b->ask({"SECKILL.BUY", "phone", "u3"}), array({"NOITEM"}));
  b->shared().drained_sequence = 1000;
  EXPECT_EQ(ask_until(*a, {"SECKILL.DELETE", "phone"}, "OK"), "+OK\r\n");
  EXPECT_EQ(ask_until(*b, {"SECKILL.CREATE", "phone", "STOCK", "1"}, "OK"), "+OK\r\n");
  redis_.run({"FLUSHALL"});
  EXPECT_EQ(remaining(*a), "1");
  EXPECT_EQ(remaining(*b), "1");
}

TEST_F(LanesTest, GivenUpProxyLetsItsItemsOpen) {
  const auto a = start(7);
  a->ask_patiently({"SECKILL.CREATE", "phone", "STOCK", "5"});
  start(8)->ask_patiently({"SECKILL.STOCK", "phone"});
  redis_.run({"FLUSHALL"});
  ask_until(*a, {"SECKILL.BUY", "phone", "u3"}, "proxy 8");
  give_up("8");
  EXPECT_NE(ask_until(*a, {"SECKILL.BUY", "phone", "u3", "REQ", "r"}, "OK").find("OK"),
            std::string::npos);
}

// Given up and yet alive: what it sold shows up as oversold, and the operator has to cancel some.
TEST_F(LanesTest, OversoldItemAnswersRepeatsAndTakesCancellationsUntilItSellsAgain) {
  const auto a = start(7);
  auto b = start(8);
  a->ask_patiently({"SECKILL.CREATE", "phone", "STOCK", "2"});
  const std::string one = buy(*b, "u1"), two = buy(*b, "u2");
  b.reset();
  redis_.run({"FLUSHALL"});
  ask_until(*a, {"SECKILL.BUY", "phone", "u3"}, "proxy 8");
  give_up("8");
  const std::string three = buy(*a, "u3"), four = buy(*a, "u4");
  b = start(8);
  EXPECT_EQ(remaining(*b), "-2");
  EXPECT_EQ(buy(*a, "u1"), one);
  EXPECT_EQ(buy(*b, "u3"), three);
  EXPECT_EQ(a->ask({"SECKILL.BUY", "phone", "u5"}), array({"SOLDOUT", ":-2"}));
  EXPECT_EQ(a->ask({"SECKILL.CANCEL", "phone", "u3", three, "REQ", "c"}), array({"OK", ":-1"}));
  EXPECT_EQ(a->ask({"SECKILL.CANCEL", "phone", "u3", three, "REQ", "c"}), array({"OK", ":-1"}));
  EXPECT_EQ(b->ask_patiently({"SECKILL.CANCEL", "phone", "u2", two}), array({"OK", ":0"}));
  EXPECT_EQ(b->ask_patiently({"SECKILL.CANCEL", "phone", "u1", one}), array({"OK", ":1"}));
  EXPECT_EQ(buy(*b, "u4"), four);
  redis_.run({"FLUSHALL"});
  EXPECT_EQ(remaining(*a), "1");
  EXPECT_EQ(remaining(*b), "1");
}

// Created by 8, sold by 7, cancelled by 8: its cancel comes back before the order that it is for.
TEST_F(LanesTest, CancelMayComeBackBeforeItsOrder) {
  auto a = start(7);
  const auto b = start(8);
  b->ask_patiently({"SECKILL.CREATE", "phone", "STOCK", "5", "LIMIT", "3"});
  const std::string order = buy(*a, "u1");
  const std::string second =
      order_of(a->ask({"SECKILL.BUY", "phone", "u1", "QTY", "2", "REQ", "c2"}));
  b->ask({"SECKILL.CANCEL", "phone", "u1", order, "REQ", "c"});
  b->ask({"SECKILL.CANCEL", "phone", "u1", second, "REQ", "c2"});
  a.reset();
  redis_.run({"FLUSHALL"});
  ask_until(*b, {"SECKILL.STOCK", "phone"}, "waiting for proxy 7");
  EXPECT_EQ(item_in(redis_).early, 2u);
  a = start(7);
  EXPECT_EQ(remaining(*b), "5");
  EXPECT_EQ(item_in(redis_).early, 0u);
  EXPECT_EQ(buy_again(*b, "u1"), array({"CANCELLED", order}));
  EXPECT_EQ(b->ask({"SECKILL.CANCEL", "phone", "u1", order}), array({"ALREADY"}));
  EXPECT_EQ(a->ask_patiently({"SECKILL.CANCEL", "phone", "u1", second, "REQ", "c2"}),
            array({"OK", ":5"}));
  EXPECT_EQ(redis_.run({"HGETALL", kBuyersKey}).find("/x/"), std::string::npos);
}

// 8 sold before 7's creation is back in Redis; 8 cannot rebuild the item alone.
TEST_F(LanesTest, LaneWithoutTheCreationWaitsForIt) {
  auto a = start(7);
  const auto b = start(8);
  a->ask_patiently({"SECKILL.CREATE", "phone", "STOCK", "5"});
  const std::string order = buy(*b, "u1");
  a.reset();
  redis_.run({"FLUSHALL"});
  ask_until(*b, {"SECKILL.BUY", "phone", "u2"}, "waiting for proxy 7");
  a = start(7);
  EXPECT_EQ(buy(*a, "u1"), order);
  EXPECT_EQ(remaining(*b), "4");
}

TEST_F(LanesTest, LatestOfClosingsAndReopeningsHoldsWhoeverIsReplayedFirst) {
  const auto a = start(7);
  auto b = start(8);
  a->ask_patiently({"SECKILL.CREATE", "phone", "STOCK", "5"});
  b->ask_patiently({"SECKILL.CLOSE", "phone"});
  std::this_thread::sleep_for(std::chrono::milliseconds(3));  // another millisecond
  a->ask({"SECKILL.REOPEN", "phone"});
  std::this_thread::sleep_for(std::chrono::milliseconds(3));
  a->ask({"SECKILL.CLOSE", "phone"});
  std::this_thread::sleep_for(std::chrono::milliseconds(3));
  b->ask({"SECKILL.REOPEN", "phone"});
  b.reset();
  redis_.run({"FLUSHALL"});
  ask_until(*a, {"SECKILL.STOCK", "phone"}, "waiting for proxy 8");
  EXPECT_EQ(item_in(redis_).state, shelves::PackedItem::State::kClosed);
  b = start(8);
  EXPECT_FALSE(buy(*a, "u").empty());
  EXPECT_EQ(remaining(*b), "4");
}

class EditTest : public LanesTest, public testing::WithParamInterface<std::vector<std::string>> {};

// Whatever is changed by hand: the item is as the journals say, REQs and limits included, whoever
// is asked first, also a proxy that has never sold it.
TEST_P(EditTest, EditedItemIsRebuiltFromTheJournalsOfAllLanes) {
  for (const int first_asked : {7, 8, 9}) {
    redis_.run({"FLUSHALL"});
    for (const uint64_t lane : {7, 8, 9}) {
      std::filesystem::remove_all(journal(lane));
      std::filesystem::create_directory(journal(lane));
    }
    std::map<int, std::unique_ptr<Proxy>> proxies;
    for (const int lane : {7, 8, 9}) proxies[lane] = start(static_cast<uint64_t>(lane));
    proxies[7]->ask_patiently({"SECKILL.CREATE", "phone", "STOCK", "5", "LIMIT", "1"});
    const std::string one = buy(*proxies[7], "u1"), two = buy(*proxies[8], "u2");
    redis_.run(GetParam());
    EXPECT_EQ(remaining(*proxies[first_asked]), "3") << first_asked;
    EXPECT_EQ(buy(*proxies[9], "u1"), one);
    EXPECT_EQ(buy(*proxies[7], "u2"), two);
    EXPECT_EQ(proxies[8]->ask_patiently({"SECKILL.BUY", "phone", "u1"}),
              array({"LIMIT", ":1", one}));
    buy(*proxies[8], "u3");
    EXPECT_EQ(remaining(*proxies[9]), "2");
  }
}

INSTANTIATE_TEST_SUITE_P(
    , EditTest,
    testing::Values(std::vector<std::string>{"DEL", kShelfKey},
                    std::vector<std::string>{"DEL", kBuyersKey},
                    std::vector<std::string>{"DEL", kShelfKey, kBuyersKey},
                    std::vector<std::string>{"HSET", kShelfKey, "phone", "x"},
                    std::vector<std::string>{"HDEL", kBuyersKey, "u1"},
                    std::vector<std::string>{"HSET", kBuyersKey, "u9", "1,1,"},
                    std::vector<std::string>{"HDEL", kShelfKey, "@lane:7"},
                    std::vector<std::string>{"HDEL", kShelfKey, "@epoch"},
                    std::vector<std::string>{"HDEL", kShelfKey, "@run"},
                    std::vector<std::string>{"DEL", kReceiptsKey}));

}  // namespace
}  // namespace sluice::proxy::sale
