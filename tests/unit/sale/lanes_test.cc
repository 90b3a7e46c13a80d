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
  {
    auto lanes = Lanes::open(journal(7), fs, 7);
    ASSERT_TRUE(lanes.ok());
    EXPECT_EQ((*lanes)->known(), ",7,");
    ASSERT_TRUE((*lanes)->save({{8, "111"}, {1023, "222"}}).ok());
    EXPECT_EQ((*lanes)->known(), ",7,8,1023,");
  }
  EXPECT_EQ((*Lanes::open(journal(7), fs, 7))->peers(), (Lanes::Peers{{8, "111"}, {1023, "222"}}));
  const std::string path = journal(7) + "/peers";
  std::string text = *base::read_file(fs, path, 1000);
  for (size_t i = 0; i < text.size(); ++i) {
    std::string damaged = text;
    damaged[i] ^= 1;
    ASSERT_TRUE(base::write_file(fs, path, damaged).ok());
    const auto lanes = Lanes::open(journal(7), fs, 7);
    ASSERT_FALSE(lanes.ok()) << "byte " << i;
    EXPECT_EQ(lanes.error().cls(), ErrorClass::kCorrupt);
    EXPECT_NE(lanes.error().message().find(path), std::string::npos);
    ASSERT_TRUE(base::write_file(fs, path, std::string_view(text).substr(0, i)).ok());
    EXPECT_FALSE(Lanes::open(journal(7), fs, 7).ok()) << "cut at " << i;
  }
}

TEST_F(LanesTest, FirstJoinWhileAnotherSellsIsKnownToBothBeforeItSells) {
  const auto a = start(7);
  a->ask_patiently({"SECKILL.CREATE", "phone", "STOCK", "10"});
  buy(*a, "u1");
  const auto b = start(8, 2);
  EXPECT_EQ(a->shared().lanes->known(), ",7,8,");
  EXPECT_EQ(b->shared().lanes->known(), ",7,8,");
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
  redis_.run({"HSET", "sluice:proxies", "forget:7", "1"});
  redis_.run({"HDEL", "sluice:proxies", "7", "8>7", "7>8"});
  EXPECT_TRUE(b->wait_ready());
  EXPECT_EQ(b->shared().lanes->known(), ",8,");
  buy(*b, "u");
  const auto a = start(7);
  EXPECT_EQ(b->shared().lanes->known(), ",7,8,");
  EXPECT_EQ(remaining(*a), "9");
}

// The peers file is of lines: a newline in a value would make it one that no start reads again.
TEST_F(LanesTest, ValueThatIsNoJournalsIdIsIgnoredAndNeverReachesThePeersFile) {
  auto a = start(7);
  a->ask({"SECKILL.CREATE", "phone", "STOCK", "10"});
  for (const char* value : {"12\n13 14", "x", "", "0", "99999999999999999999", "-1"}) {
    redis_.run({"HSET", "sluice:proxies", "9", value, "7", value});
    for (int i = 0; i < 2000 && redis_.run({"HGET", "sluice:proxies", "7"}) == value; ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    EXPECT_EQ(redis_.run({"HGET", "sluice:proxies", "7"}), a->shared().journal_id) << value;
    EXPECT_EQ(a->shared().lanes->known(), ",7,") << value;
    EXPECT_FALSE(buy(*a, std::string("u") + std::to_string(value[0])).empty());
  }
  redis_.run({"HDEL", "sluice:proxies", "9"});
  EXPECT_EQ(a->fatal(), "");
  a.reset();
  EXPECT_TRUE(start(7)->ready());
}

TEST_F(LanesTest, FlushedRedisGetsTheOrdersOfAllLanesBackBeforeAnybodySells) {
  const auto a = start(7), b = start(8, 2);
  a->ask_patiently({"SECKILL.CREATE", "phone", "STOCK", "5", "LIMIT", "1"});
  const std::string first = buy(*a, "u1"), second = buy(*b, "u2"), third = buy(*a, "u3");
  a->ask({"SECKILL.CANCEL", "phone", "u2", second});
  redis_.run({"FLUSHALL"});
  EXPECT_EQ(buy(*b, "u1"), first);
  EXPECT_EQ(buy(*a, "u2"), second);
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
  for (int i = 0; i < 300; ++i) {
    const std::string name = "i" + std::to_string(i);
    ASSERT_EQ(a->ask({"SECKILL.CREATE", name, "STOCK", "5"}), "+OK\r\n");
    targets.push_back({name, name, name, name, 1});
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
  const auto knows = [&](const std::string& field) {
    for (int i = 0; i < 2000 && redis_.run({"HEXISTS", "sluice:proxies", field}) != "1"; ++i)
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    return redis_.run({"HEXISTS", "sluice:proxies", field}) == "1";
  };
  EXPECT_TRUE(knows("7>8"));
  EXPECT_TRUE(knows("8>7"));
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
  for (int i = 0; i < 2000 && (redis_.run({"HGET", kItemKey, "sold"}) != "2" ||
                               redis_.run({"HGET", "sluice:{pen}:item", "stock"}) != "5");
       ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  EXPECT_EQ(redis_.run({"HGET", kItemKey, "sold"}), "2");
  EXPECT_EQ(redis_.run({"HGET", "sluice:{pen}:item", "stock"}), "5");
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
  EXPECT_TRUE(reply.starts_with("-LOADING item phone waits for proxy 8")) << reply;
  EXPECT_NE(reply.find("peers forget 8"), std::string::npos) << reply;
  // An item that nobody here knows may come back with the other proxy: it is not "no item" yet.
  EXPECT_TRUE(a->ask({"SECKILL.BUY", "pen", "u"}).starts_with("-LOADING "));
  EXPECT_TRUE(a->ask({"SECKILL.CREATE", "pen", "STOCK", "1"}).starts_with("-LOADING "));
  b = start(8);
  EXPECT_EQ(buy(*a, "u2"), theirs);
  EXPECT_EQ(remaining(*a), "3");
  EXPECT_EQ(a->ask_patiently({"SECKILL.BUY", "pen", "u"}), array({"NOITEM"}));
}

TEST_F(LanesTest, GivenUpProxyLetsItsItemsOpen) {
  const auto a = start(7);
  a->ask_patiently({"SECKILL.CREATE", "phone", "STOCK", "5"});
  start(8)->ask_patiently({"SECKILL.STOCK", "phone"});
  redis_.run({"FLUSHALL"});
  ask_until(*a, {"SECKILL.BUY", "phone", "u3"}, "proxy 8");
  redis_.run({"HSET", "sluice:proxies", "forget:8", "1"});
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
  redis_.run({"HSET", "sluice:proxies", "forget:8", "1"});
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
  ask_until(*b, {"SECKILL.STOCK", "phone"}, "waits for proxy 7");
  EXPECT_EQ(redis_.run({"HGET", kItemKey, "early"}), "2");
  a = start(7);
  EXPECT_EQ(remaining(*b), "5");
  EXPECT_EQ(redis_.run({"HGET", kItemKey, "early"}), "0");
  EXPECT_EQ(buy(*b, "u1"), order);
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
  ask_until(*b, {"SECKILL.BUY", "phone", "u2"}, "waits for proxy 7");
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
  ask_until(*a, {"SECKILL.STOCK", "phone"}, "waits for proxy 8");
  EXPECT_EQ(redis_.run({"HGET", kItemKey, "state"}), "closed");
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
    testing::Values(std::vector<std::string>{"DEL", kItemKey},
                    std::vector<std::string>{"DEL", kBuyersKey},
                    std::vector<std::string>{"DEL", kItemKey, kBuyersKey},
                    std::vector<std::string>{"HINCRBY", kItemKey, "stock", "100"},
                    std::vector<std::string>{"HSET", kItemKey, "sold", "0"},
                    std::vector<std::string>{"HDEL", kItemKey, "sold"},
                    std::vector<std::string>{"HDEL", kItemKey, "stock"},
                    std::vector<std::string>{"HDEL", kBuyersKey, "u1"},
                    std::vector<std::string>{"HDEL", kItemKey, "check"},
                    std::vector<std::string>{"HDEL", kItemKey, "lane:7"},
                    std::vector<std::string>{"DEL", "sluice:{phone}:receipts:7"}));

// A batch whose answer never came, for an item that Redis does not have: its late copy, which has
// the epoch "none", must not create the item and sell after the client has asked again.
TEST_F(LanesTest, LateCopyOfABatchForAMissingItemIsNotApplied) {
  const Scripts scripts = load_scripts();
  const auto run = [&](const Script& script, std::vector<std::string> rest) {
    std::vector<std::string> words{"EVAL", std::string(script.text), "3"};
    words.insert(words.end(), rest.begin(), rest.end());
    return redis_.run(words);
  };
  EXPECT_TRUE(run(scripts.gate, {kItemKey, "sluice:{phone}:receipts:7", kBuyersKey, "7", "0", "run",
                                 ",7,", ",", "r"})
                  .starts_with("MISSING "));
  Operation create;
  create.verb = Verb::kCreate, create.quantity = 5;
  const Payload payload = encode_operations(1, {create}, "run", 86'400'000);
  const auto purchase = [&](const std::string& epoch) {
    return run(scripts.purchase, {kItemKey, kBuyersKey, "sluice:{phone}:receipts:7", "7", epoch,
                                  "0", "0", "journal", payload.operations, payload.details});
  };
  EXPECT_TRUE(purchase("0").starts_with("GATE "));
  const std::string epoch = redis_.run({"HGET", kItemKey, "epoch"});
  const std::string applied = purchase(epoch);
  EXPECT_TRUE(applied.starts_with("OK 1 " + epoch + " ")) << applied << ": the raised epoch stays";
  EXPECT_TRUE(applied.ends_with("\nA")) << applied;
}

}  // namespace
}  // namespace sluice::proxy::sale
