// The replay script of the shelves on a real Redis: what is brought back into one that lost it.
#include "proxy/sale/msgpack.h"
#include "shelf_gate_fixture.h"

namespace sluice::proxy::sale {
namespace {

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
    for (const std::string& word :
         {lane, "journal-a incarnation-1 " + std::to_string(gate_epoch_), std::to_string(from),
          std::to_string(to), records.names(), records.lists(), flag}) {
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
  EXPECT_EQ(lane_of("7"), "3 journal-a incarnation-1");
  EXPECT_EQ(redis_.run({"HLEN", kBuyers}), std::to_string(lived.fields)) << buyers;
}

TEST_F(ShelfReplayTest, BringsBackWhatBecameOfOrdersAndWhatWasChanged) {
  sell_as({});
  time_ms_ = 1;
  Operation changed = op(Verb::kChange);
  changed.limit = 4, changed.start_ms = changed.end_ms = -1, changed.hold_ms = 50;
  apply({create(9, 0, 0, 0, 77), changed, op(Verb::kBuy, "a", 2, "r", 11),
         op(Verb::kBuy, "a", 1, "", 12), op(Verb::kBuy, "b", 1, "", 13)});
  apply({op(Verb::kPay, "a", 0, "p", 11), op(Verb::kPay, "a", 0, "", 12),
         op(Verb::kExpire, "b", 60, "", 13), op(Verb::kCancel, "a", 1, "c", 12)});
  const shelves::PackedItem lived = item();
  const std::string buyers = redis_.run({"HGET", kBuyers, "a"});
  redis_.run({"DEL", kKey, kBuyers});
  EXPECT_EQ(gate({.journaled = 2}), "BEHIND");
  Records records;
  records.born("phone", 77).create("phone", 1, 9);
  records.other("phone", 'H', 1, 0, "", "", "", "4,0,0,50", 2);
  records.buy("phone", 1, "a", 2, "11", "r").buy("phone", 1, "a", 1, "12");
  records.buy("phone", 1, "b", 1, "13").other("phone", 'P', 2, 2, "a", "11", "p");
  records.other("phone", 'P', 2, 1, "a", "12").other("phone", 'E', 2, 1, "b", "13");
  records.other("phone", 'C', 2, 1, "a", "12", "c");
  EXPECT_EQ(replay(records, 0, 2), "OK 9");
  EXPECT_EQ(item(), lived);
  EXPECT_EQ(redis_.run({"HGET", kBuyers, "a"}), buyers);
  EXPECT_EQ(redis_.run({"HGET", kBuyers, "b"}), "1,13,,e");
}

// Another lane has them; whichever of its records comes first, the cancel holds.
TEST_F(ShelfReplayTest, WhatBecameOfAnOrderMayComeBeforeIt) {
  sell_as({});
  for (const std::string order : {"PC", "CP"}) {
    redis_.run({"DEL", kKey, kBuyers});
    gate({});
    EXPECT_EQ(replay(Records().born("phone", 1).create("phone", 1, 9), 0, 1), "OK 1");
    Records early;
    early.born("phone", 1);
    for (const char kind : order) early.other("phone", kind, 1, 1, "a", "11");
    early.other("phone", 'P', 1, 1, "b", "12");
    EXPECT_EQ(replay(early, 0, 1, "8"), "OK 3");
    EXPECT_EQ(item().early, 2u);
    Records orders;
    orders.born("phone", 1).buy("phone", 2, "a", 1, "11").buy("phone", 2, "b", 2, "12");
    EXPECT_EQ(replay(orders, 1, 2), "OK 2");
    EXPECT_EQ(redis_.run({"HGET", kBuyers, "a"}), "1,11,,c") << order;
    EXPECT_EQ(redis_.run({"HGET", kBuyers, "b"}), "2,12,,p");
    EXPECT_EQ(item().sold, 2u);
    EXPECT_EQ(item().early, 0u);
  }
}

TEST_F(ShelfReplayTest, OfTheChangesOfSeveralLanesTheLatestHolds) {
  sell_as({});
  EXPECT_EQ(replay(Records().born("phone", 1).create("phone", 1, 9), 0, 1), "OK 1");
  Records later, earlier;
  later.born("phone", 1).other("phone", 'H', 1, 0, "", "", "", "3,0,0,7", 20);
  earlier.born("phone", 1).other("phone", 'H', 2, 0, "", "", "", "5,0,0,0", 10);
  EXPECT_EQ(replay(later, 0, 1, "8"), "OK 1");
  EXPECT_EQ(replay(earlier, 1, 2), "OK 1");
  EXPECT_EQ(item().limit, 3u);
  EXPECT_EQ(item().hold_ms, 7);
}

TEST_F(ShelfReplayTest, ALaneStandsAtTheEndAlsoIfNothingIsLeftOfItsBatches) {
  sell_as({});
  EXPECT_EQ(replay(Records().born("x", 1).create("x", 40, 5), 0, 50), "OK 1");
  EXPECT_EQ(lane_of("7"), "50 journal-a incarnation-1");
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
  EXPECT_EQ(lane_of("8"), "3 journal-a incarnation-1");
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
