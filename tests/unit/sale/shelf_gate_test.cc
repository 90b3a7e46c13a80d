// The gate and replay scripts of the shelves on a real Redis: who may sell from a shelf, and what
// is brought back into one that Redis has lost.
#include <sstream>

#include "call_fixture.h"
#include "proxy/sale/msgpack.h"

namespace sluice::proxy::sale {
namespace {

// A lane as its proxy's gate passes it.
struct LaneOf {
  std::string lane = "7";
  uint64_t journaled = 0;
  uint64_t complete_from = 0;
  std::string process = "run-1";
  std::string journal = "journal-a", incarnation = "incarnation-1";
  std::string shelves = "64";
  std::string known = ",7,";
  std::string flags;
  std::string stuck, to_bring;
};

class ShelfGateTest : public CallTest {
 protected:
  ShelfGateTest() { redis_.run({"FLUSHALL"}); }

  // The verdict; its reply's other parts are kept.
  std::string gate(const LaneOf& lane) {
    std::istringstream words(redis_.run(
        {"EVAL", scripts_.gate.text, "2", kKey, shelves::receipts_key(kShelf, lane.lane), lane.lane,
         std::to_string(lane.journaled), std::to_string(lane.complete_from), lane.process, "nonce",
         lane.journal, lane.incarnation, "host-" + lane.incarnation, lane.shelves, lane.known,
         lane.flags, "1", lane.stuck, lane.to_bring}));
    std::string verdict;
    words >> verdict >> gate_epoch_ >> applied_ >> about_;
    return verdict;
  }
  // A lane that sells: opened, its epoch taken.
  void sell_as(const LaneOf& lane) {
    EXPECT_EQ(gate(lane), "OPEN");
    epoch_ = gate_epoch_;
  }
  // Its member's last beat was long ago.
  void let_die(const std::string& lane, const std::string& incarnation) {
    redis_.run({"HSET", kKey, "@member:" + lane, "journal-a " + incarnation + " host 1000"});
  }
  // An operator has given the lane up.
  void give_up(const std::string& lane) {
    redis_.run({"HSET", kKey, "@lanes", "," + lane + ",", "@forget:" + lane, "1"});
  }
  std::string own(const std::string& field) { return redis_.run({"HGET", kKey, field}); }

  uint64_t gate_epoch_ = 0, applied_ = 0;
  std::string about_;
};

TEST_F(ShelfGateTest, OpensAShelfThatIsNewAndKeepsItsEpoch) {
  EXPECT_EQ(gate({}), "OPEN");
  const uint64_t epoch = gate_epoch_;
  EXPECT_GT(epoch, 0u);
  EXPECT_EQ(own("@shelves"), "64");
  EXPECT_EQ(own("@lane:7"), "0 journal-a incarnation-1");
  EXPECT_EQ(redis_.run({"LLEN", kReceipts}), "1") << "all keys of the shelf are there";
  EXPECT_EQ(gate({}), "OPEN");
  EXPECT_EQ(gate_epoch_, epoch) << "looking again changes nothing";
  EXPECT_EQ(gate({.flags = "r"}), "OPEN");
  EXPECT_GT(gate_epoch_, epoch);
}

TEST_F(ShelfGateTest, AnotherNumberOfShelvesIsNeverOpened) {
  sell_as({});
  EXPECT_EQ(gate({.shelves = "32"}), "SHELVES");
  EXPECT_EQ(about_, "64");
}

TEST_F(ShelfGateTest, ALivingWriterOfTheLaneKeepsIt) {
  sell_as({});
  EXPECT_EQ(gate({.incarnation = "incarnation-2"}), "ALIVE");
  EXPECT_EQ(about_, "host-incarnation-1");
  EXPECT_EQ(own("@lane:7"), "0 journal-a incarnation-1");
  let_die("7", "incarnation-1");
  EXPECT_EQ(gate({.incarnation = "incarnation-2"}), "OPEN");
  EXPECT_EQ(call({create(5)}, gate_epoch_, 0), "IMPOSTOR journal-a incarnation-2")
      << "what the dead one had sent comes too late";
}

TEST_F(ShelfGateTest, AnotherJournalNeverTakesALaneThatHasSold) {
  sell_as({});
  let_die("7", "incarnation-1");
  EXPECT_EQ(gate({.journal = "journal-b", .incarnation = "b-1"}), "OPEN") << "it had not sold";
  let_die("7", "b-1");
  EXPECT_EQ(gate({}), "OPEN");
  epoch_ = gate_epoch_;
  apply({create(5)});
  let_die("7", "incarnation-1");
  EXPECT_EQ(gate({.journal = "journal-b", .incarnation = "b-1"}), "FOREIGN");
  EXPECT_EQ(about_, "journal-a");
}

TEST_F(ShelfGateTest, ReturnsTheReceiptsThatTheJournalLacks) {
  sell_as({});
  apply({create(5)});
  apply({op(Verb::kBuy, "a", 1, "", 11)});
  EXPECT_EQ(gate({.journaled = 1}), "OPEN");
  EXPECT_EQ(applied_, 2u);
  EXPECT_EQ(gate({.journaled = 2}), "OPEN");
}

TEST_F(ShelfGateTest, ALaneBehindItsJournalClosesTheShelfForAll) {
  give_up("8");
  sell_as({.known = ",7,8,"});
  apply({create(5)});
  EXPECT_EQ(gate({.journaled = 3, .known = ",7,8,"}), "BEHIND");
  EXPECT_EQ(about_, "1") << "replay what is above";
  EXPECT_EQ(own("@wait"), ",7,");
  redis_.run({"HDEL", kKey, "@forget:8"});
  EXPECT_EQ(gate({.lane = "8", .journal = "journal-b", .incarnation = "b-1", .known = ",7,8,"}),
            "WAIT");
  EXPECT_TRUE(call({op(Verb::kBuy, "a", 1, "", 11)}, epoch_, 1).starts_with("GATE"));
}

TEST_F(ShelfGateTest, AfterARestartEveryKnownLaneMustPass) {
  sell_as({});
  apply({create(5)});
  LaneOf own{.journaled = 1, .process = "run-2", .known = ",7,8,"};
  EXPECT_EQ(gate(own), "WAIT");
  EXPECT_EQ(gate({.lane = "8", .process = "run-2", .journal = "journal-b", .incarnation = "b-1",
                  .known = ",7,8,"}),
            "OPEN");
  EXPECT_EQ(gate(own), "OPEN");
}

TEST_F(ShelfGateTest, ALaneThatWasGivenUpIsNotWaitedFor) {
  give_up("8");
  EXPECT_EQ(gate({.known = ",7,8,"}), "OPEN");
}

TEST_F(ShelfGateTest, OneThatWasGivenUpAndComesBackJoinsLikeANewOne) {
  give_up("7");
  EXPECT_EQ(gate({}), "OPEN");
  EXPECT_EQ(own("@forget:7"), "(nil)");
}

TEST_F(ShelfGateTest, ANewLaneSellsOnceAllOthersKnowOfIt) {
  sell_as({});
  const LaneOf newcomer{.lane = "8", .journal = "journal-b", .incarnation = "b-1",
                        .known = ",7,8,"};
  EXPECT_EQ(gate(newcomer), "JOIN");
  EXPECT_EQ(about_, "7");
  EXPECT_EQ(own("@lanes"), ",7,8,") << "so the other learns of it";
  EXPECT_EQ(own("@lane:8"), "(nil)");
  EXPECT_EQ(gate({}), "OPEN") << "who sells already waits for no newcomer";
  redis_.run({"HSET", kKey, "@knows:7", ",7,8,"});
  EXPECT_EQ(gate(newcomer), "OPEN");
}

TEST_F(ShelfGateTest, ARedisThatWentBackIsOpenedByAllLanesAnew) {
  sell_as({});
  const uint64_t epoch = gate_epoch_;
  EXPECT_EQ(gate({.known = ",7,8,", .flags = "w"}), "WAIT");
  EXPECT_GT(gate_epoch_, epoch);
}

TEST_F(ShelfGateTest, AnEditedShelfIsTakenAwayOnlyIfAllOfItCanBeMadeAnew) {
  sell_as({});
  apply({create(5), op(Verb::kBuy, "a", 1, "", 11)});
  redis_.run({"HSET", kKey, "@lane:9", "3 journal-c c-1"});
  EXPECT_EQ(gate({.journaled = 1, .flags = "e"}), "EDITED") << "nobody answers for lane 9";
  EXPECT_NE(packed(), "(nil)");
  EXPECT_EQ(gate({.journaled = 1, .known = ",7,9,", .flags = "e"}), "BEHIND");
  EXPECT_EQ(packed(), "(nil)");
  EXPECT_EQ(own("@lane:7"), "0 journal-a incarnation-1");
  EXPECT_EQ(own("@lane:9"), "(nil)") << "it must replay all of its journal";
  EXPECT_EQ(own("@wait"), ",7,9,");
}

TEST_F(ShelfGateTest, AShelfIsTakenAwayWhenAnOperatorAsksAndOnlyOnce) {
  sell_as({});
  apply({create(5)});
  redis_.run({"HSET", kKey, "@rebuild", "1", "@lane:9", "3 journal-c c-1"});
  EXPECT_EQ(gate({.journaled = 1}), "EDITED") << "nobody answers for lane 9";
  EXPECT_NE(packed(), "(nil)");
  EXPECT_EQ(gate({.journaled = 1, .known = ",7,9,"}), "BEHIND");
  EXPECT_EQ(packed(), "(nil)");
  EXPECT_EQ(own("@rebuild"), "(nil)");
  EXPECT_EQ(own("@wait"), ",7,9,");
}

TEST_F(ShelfGateTest, WhoOnlyJoinsTakesNothingAway) {
  sell_as({});
  apply({create(5)});
  const LaneOf returned{.lane = "8", .journaled = 9, .complete_from = 5, .journal = "journal-b",
                        .incarnation = "b-1", .known = ",7,8,"};
  EXPECT_EQ(gate(returned), "JOIN");
  EXPECT_TRUE(apply({op(Verb::kBuy, "a", 1, "", 11)}).starts_with("A"))
      << "the others go on selling";
}

TEST_F(ShelfGateTest, WhatTheJournalHasCondensedIsReplayedIntoAnEmptyShelf) {
  sell_as({});
  apply({create(5)});
  EXPECT_EQ(gate({.journaled = 9, .complete_from = 1}), "BEHIND");
  EXPECT_NE(packed(), "(nil)") << "Redis has all that was condensed";
  EXPECT_EQ(gate({.journaled = 9, .complete_from = 2}), "BEHIND");
  EXPECT_EQ(packed(), "(nil)");
  EXPECT_EQ(about_, "0");
}

// ---- Replay.

// Records of the items, as a proxy sends them.
class Records {
 public:
  Records& born(const std::string& item, uint64_t id) {
    std::string& list = begin(item);
    append_string(list, "G");
    append_string(list, {reinterpret_cast<const char*>(&id), sizeof id});
    counts_[item] += 2;
    return *this;
  }
  Records& buy(const std::string& item, int64_t batch, const std::string& user, int64_t quantity,
               const std::string& order, const std::string& request = "") {
    std::string& list = begin(item);
    append_string(list, "B");
    append_integer(list, batch);
    append_integer(list, 1);
    append_string(list, user);
    append_integer(list, quantity);
    append_string(list, std::to_string(quantity) + "," + order + "," + request);
    counts_[item] += 6;
    return *this;
  }
  Records& other(const std::string& item, char kind, int64_t batch, int64_t quantity,
                 const std::string& user = "", const std::string& order = "",
                 const std::string& request = "", const std::string& extra = "",
                 int64_t time_ms = 1) {
    std::string& list = begin(item);
    append_string(list, std::string(1, kind));
    append_integer(list, batch);
    append_string(list, user);
    append_integer(list, quantity);
    append_string(list, request);
    append_string(list, order);
    append_string(list, extra);
    append_integer(list, time_ms);
    counts_[item] += 8;
    return *this;
  }
  Records& create(const std::string& item, int64_t batch, int64_t stock) {
    return other(item, 'N', batch, stock, "", "", "", "0,0,0,0");
  }
  const std::vector<std::string>& items() const { return items_; }
  std::string names() const {
    std::string out;
    append_array_header(out, static_cast<uint32_t>(items_.size()));
    for (const std::string& item : items_) append_string(out, item);
    return out;
  }
  std::string lists() {
    std::string out;
    append_array_header(out, static_cast<uint32_t>(items_.size()));
    for (const std::string& item : items_) {
      append_array_header(out, counts_[item]);
      out += lists_[item];
    }
    return out;
  }

 private:
  std::string& begin(const std::string& item) {
    if (!lists_.contains(item)) items_.push_back(item);
    return lists_[item];
  }
  std::vector<std::string> items_;
  std::map<std::string, std::string> lists_;
  std::map<std::string, uint32_t> counts_;
};

class ShelfReplayTest : public ShelfGateTest {
 protected:
  std::string replay(Records records, uint64_t from, uint64_t to, const std::string& lane = "7",
                     const std::string& flag = "") {
    std::vector<std::string> words{"EVAL", scripts_.replay.text,
                                   std::to_string(2 + records.items().size()), kKey,
                                   shelves::receipts_key(kShelf, lane)};
    for (const std::string& item : records.items()) {
      words.push_back(shelves::buyers_key(kShelf, item));
    }
    for (const std::string& word : {lane, std::string("journal-a incarnation-1"),
                                    std::to_string(from), std::to_string(to), records.names(),
                                    records.lists(), flag}) {
      words.push_back(word);
    }
    return redis_.run(words);
  }
};

TEST_F(ShelfReplayTest, MakesWhatTheScriptsHadMade) {
  sell_as({});
  time_ms_ = 1;
  apply({create(9, 0, 0, 0, 77), op(Verb::kBuy, "a", 2, "r", 11)});
  apply({op(Verb::kBuy, "a", 1, "s", 12), op(Verb::kBuy, "b", 1, "", 13)});
  apply({op(Verb::kCancel, "a", 0, "", 11), op(Verb::kRestock, "", 3, "q")});
  const shelves::PackedItem lived = item();
  const std::string buyers = redis_.run({"HGETALL", kBuyers});
  redis_.run({"DEL", kKey});
  EXPECT_EQ(gate({.journaled = 3}), "BEHIND");
  Records records;
  records.born("phone", 77).create("phone", 1, 9).buy("phone", 1, "a", 2, "11", "r");
  records.buy("phone", 2, "a", 1, "12", "s").buy("phone", 2, "b", 1, "13");
  records.other("phone", 'C', 3, 2, "a", "11").other("phone", 'R', 3, 3, "", "", "q");
  EXPECT_EQ(replay(records, 0, 3), "OK 6");
  EXPECT_EQ(item(), lived);
  EXPECT_EQ(replay(records, 0, 3), "OK 0") << "once more changes nothing";
  EXPECT_EQ(item(), lived);
  EXPECT_EQ(gate({.journaled = 3}), "OPEN");
  EXPECT_EQ(own("@lane:7"), "3 journal-a incarnation-1");
  EXPECT_EQ(redis_.run({"HLEN", kBuyers}), std::to_string(lived.fields)) << buyers;
}

TEST_F(ShelfReplayTest, ALaneStandsAtTheEndAlsoIfNothingIsLeftOfItsBatches) {
  sell_as({});
  EXPECT_EQ(replay(Records().born("x", 1).create("x", 40, 5), 0, 50), "OK 1");
  EXPECT_EQ(own("@lane:7"), "50 journal-a incarnation-1");
  EXPECT_EQ(replay(Records().born("x", 1).buy("x", 61, "a", 1, "11"), 60, 70), "GAP 50");
  EXPECT_EQ(item("x").sold, 0u);
}

// A replay that was cut off has been applied up to the middle of what the next one sends at once.
TEST_F(ShelfReplayTest, OfAChunkOnlyBatchesThatAreMissingAreApplied) {
  sell_as({});
  Records half, whole;
  for (Records* records : {&half, &whole}) {
    records->born("phone", 1).create("phone", 1, 5).other("phone", 'R', 2, 3, "", "");
  }
  EXPECT_EQ(replay(half, 0, 2), "OK 2");
  EXPECT_EQ(replay(whole.other("phone", 'R', 3, 4, "", ""), 0, 3), "OK 1");
  EXPECT_EQ(item().stock, 12u);
}

TEST_F(ShelfReplayTest, WaitsForTheLaneThatCreatedTheItemAndGoesAsFarAsItCan) {
  Records later;
  later.born("x", 1).buy("x", 2, "a", 1, "11");
  later.born("y", 2).create("y", 1, 5).buy("y", 2, "a", 1, "12").buy("y", 3, "a", 1, "13");
  EXPECT_EQ(replay(later, 0, 3, "8"), "WAITS 1 1 0 x");
  EXPECT_EQ(item("y").sold, 0u) << "of batch 2 nothing: it speaks of x as well";
  EXPECT_EQ(replay(Records().born("x", 1).create("x", 1, 5), 0, 1), "OK 1");
  EXPECT_EQ(replay(later, 0, 3, "8"), "OK 3");
  EXPECT_EQ(item("x").sold, 1u);
  EXPECT_EQ(item("y").sold, 2u);
}

TEST_F(ShelfReplayTest, ADeletedItemsBuyersGoWhenTheLastLaneHasReplayedItsMark) {
  sell_as({});
  redis_.run({"HSET", kKey, "@lanes", ",7,8,"});
  Records creator, other;
  creator.born("x", 1).create("x", 1, 5).buy("x", 2, "a", 1, "11").other("x", 'D', 3, 0);
  other.born("x", 1).buy("x", 1, "b", 1, "12").other("x", 'D', 2, 1);
  EXPECT_EQ(replay(creator, 0, 3), "OK 3");
  EXPECT_EQ(item("x").state, shelves::PackedItem::State::kDeleting);
  EXPECT_EQ(replay(other, 0, 2, "8"), "OK 2");
  EXPECT_EQ(redis_.run({"EXISTS", shelves::buyers_key(kShelf, "x")}), "0");
  EXPECT_EQ(own("@deleting"), "x=,7,8, ") << "lane 8 is to free the name";
  EXPECT_EQ(replay(Records().born("x", 9).create("x", 4, 2), 3, 4), "OK 1") << "made anew";
  EXPECT_EQ(item("x").stock, 2u);
  EXPECT_EQ(own("@deleting"), "(nil)");
}

TEST_F(ShelfReplayTest, InWhicheverOrderTheMarksComeTheOneThatWasLastFreesTheName) {
  sell_as({});
  redis_.run({"HSET", kKey, "@lanes", ",7,8,"});
  Records creator;
  creator.born("x", 1).create("x", 1, 5).other("x", 'D', 2, 1);
  EXPECT_EQ(replay(creator, 0, 2), "OK 2");
  EXPECT_EQ(replay(Records().born("x", 1).other("x", 'D', 1, 0), 0, 1, "8"), "OK 1");
  EXPECT_EQ(own("@deleting"), "x=,8,7, ");
}

TEST_F(ShelfReplayTest, OrphansAreLeftOutOnceNobodyCanBringTheirItem) {
  Records both;
  both.born("x", 1).buy("x", 2, "a", 1, "11");
  both.born("y", 2).create("y", 1, 5).buy("y", 2, "a", 1, "12");
  EXPECT_EQ(replay(both, 0, 3, "8", "orphans"), "OK 2");
  EXPECT_EQ(item("y").sold, 1u);
  EXPECT_EQ(packed("x"), "(nil)");
  EXPECT_EQ(own("@lane:8"), "3 journal-a incarnation-1");
}

// Lane 8 has retired the x that it created. Lane 7 lacks it, and lane 8 lacks the y that lane 7
// creates behind that.
TEST_F(ShelfReplayTest, TwoLanesThatWaitForEachOtherFindOutWhatIsAnOrphan) {
  const LaneOf seven{.journaled = 2, .known = ",7,8,"};
  LaneOf eight{.lane = "8", .journaled = 1, .known = ",7,8,"};
  const std::string y_born = std::string("\2", 1) + std::string(7, '\0');
  Records of_seven, of_eight;
  of_seven.born("x", 1).buy("x", 1, "a", 1, "11").born("y", 2).create("y", 2, 5);
  of_eight.born("y", 2).buy("y", 1, "b", 1, "12");
  EXPECT_EQ(gate(seven), "BEHIND");
  EXPECT_EQ(replay(of_seven, 0, 2), "WAITS 0 1 0 x");
  EXPECT_EQ(gate(eight), "BEHIND");
  EXPECT_EQ(replay(of_eight, 0, 1, "8"), "WAITS 0 2 0 y");

  LaneOf seven_stuck = seven;
  seven_stuck.stuck = "0 1 0 x", seven_stuck.to_bring = y_born;
  EXPECT_EQ(gate(seven_stuck), "WAIT") << "lane 8 may bring it, as far as it knows";
  EXPECT_EQ(replay(of_seven, 0, 2, "7", "orphans"), "WAITS 0 1 0 x");
  eight.stuck = "0 2 0 y";
  EXPECT_EQ(gate(eight), "WAIT");
  EXPECT_EQ(replay(of_eight, 0, 1, "8", "orphans"), "WAITS 0 2 0 y") << "lane 7 is to bring it";
  EXPECT_EQ(gate(seven_stuck), "BEHIND") << "lane 8 has said that it will not";
  EXPECT_EQ(replay(of_seven, 0, 2, "7", "orphans"), "OK 1");
  EXPECT_EQ(gate(eight), "BEHIND");
  EXPECT_EQ(replay(of_eight, 0, 1, "8", "orphans"), "OK 1");
  EXPECT_EQ(item("y").sold, 1u);
  EXPECT_EQ(packed("x"), "(nil)");
}

TEST_F(ShelfReplayTest, MarksOfADeletedItemAreNotThoseOfTheNextOne) {
  sell_as({});
  redis_.run({"HSET", kKey, "@lanes", ",7,8,"});
  Records both;
  both.born("x", 1).create("x", 1, 5).other("x", 'D', 2, 0).born("x", 9).create("x", 3, 4);
  EXPECT_EQ(replay(both, 0, 3), "OK 3");
  EXPECT_EQ(replay(Records().born("x", 1).other("x", 'D', 1, 1), 0, 1, "8"), "OK 0");
  EXPECT_EQ(item("x").stock, 4u);
  EXPECT_EQ(own("@deleting"), "(nil)");
}

// Its journal is condensed up to 5. What others have brought back meanwhile must stay, or two such
// lanes would take it away from each other for ever.
TEST_F(ShelfReplayTest, ALaneThatIsReplayedFromNothingTakesNothingAway) {
  sell_as({});
  apply({create(5)});
  redis_.run({"HSET", kKey, "@knows:7", ",7,8,"});
  LaneOf eight{.lane = "8", .journaled = 9, .complete_from = 5, .known = ",7,8,"};
  EXPECT_EQ(gate(eight), "BEHIND");
  EXPECT_NE(packed(), "(nil)");
  EXPECT_EQ(replay(Records(), 0, 3, "8"), "OK 0");
  EXPECT_EQ(gate(eight), "BEHIND") << "its replay was cut off";
  EXPECT_NE(packed(), "(nil)");
  eight.complete_from = 6;
  EXPECT_EQ(gate(eight), "BEHIND");
  EXPECT_EQ(packed(), "(nil)") << "it was condensed behind what was replayed";
}

TEST_F(ShelfReplayTest, ACancelBeforeItsOrderTakesNothingTwice) {
  EXPECT_EQ(replay(Records().born("x", 1).create("x", 1, 5), 0, 1), "OK 1");
  EXPECT_EQ(replay(Records().born("x", 1).other("x", 'C', 1, 2, "a", "11"), 0, 1, "8"), "OK 1");
  EXPECT_EQ(item("x").early, 1u);
  EXPECT_EQ(replay(Records().born("x", 1).buy("x", 2, "a", 2, "11", "r"), 1, 2), "OK 1");
  EXPECT_EQ(item("x").sold, 0u);
  EXPECT_EQ(item("x").early, 0u);
}

TEST_F(ShelfReplayTest, RecordsOfAnEarlierItemOfThatNameArePassedOver) {
  Records both;
  both.born("x", 1).create("x", 1, 5).buy("x", 1, "a", 1, "11");
  both.born("x", 9).create("x", 2, 3).buy("x", 2, "a", 1, "12");
  EXPECT_EQ(replay(both, 0, 2), "OK 4");
  EXPECT_EQ(item("x").stock, 3u);
  EXPECT_EQ(item("x").sold, 1u) << "the first one's buyers are gone with it";
  EXPECT_EQ(replay(Records().born("x", 1).buy("x", 1, "b", 1, "13"), 0, 1, "8"), "OK 0");
  EXPECT_EQ(item("x").sold, 1u);
  EXPECT_EQ(replay(Records().born("x", 20).buy("x", 2, "b", 1, "14"), 1, 2, "8"),
            "WAITS 1 20 0 x");
}

}  // namespace
}  // namespace sluice::proxy::sale
