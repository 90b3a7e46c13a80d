// The gate script of the shelves on a real Redis: who may sell from a shelf.
#include "shelf_gate_fixture.h"

namespace sluice::proxy::sale {
namespace {

TEST_F(ShelfGateTest, OpensAShelfThatIsNewAndKeepsItsEpoch) {
  EXPECT_EQ(gate({}), "OPEN");
  const uint64_t epoch = gate_epoch_;
  EXPECT_GT(epoch, 0u);
  EXPECT_EQ(own("@shelves"), "64");
  EXPECT_EQ(lane_of("7"), "0 journal-a incarnation-1");
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
  EXPECT_EQ(lane_of("7"), "0 journal-a incarnation-1");
  let_die("7", "incarnation-1");
  EXPECT_EQ(gate({.incarnation = "incarnation-2"}), "OPEN");
  EXPECT_EQ(call({create(5)}, gate_epoch_, 0, 0, "7", std::string(kWriter) + " 1"),
            "IMPOSTOR " + writer_)
      << "what the dead one had sent comes too late";
}

TEST_F(ShelfGateTest, ABeatOfAClockThatWasSetBackSinceHoldsNobodyUp) {
  sell_as({});
  redis_.run({"HSET", kKey, "@member:7", "journal-a incarnation-1 host 9999999999999 1"});
  EXPECT_EQ(gate({.incarnation = "incarnation-2"}), "OPEN");
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
  EXPECT_EQ(lane_of("8"), "(nil)");
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
  EXPECT_EQ(lane_of("7"), "0 journal-a incarnation-1");
  EXPECT_EQ(lane_of("9"), "(nil)") << "it must replay all of its journal";
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

// Redis had taken a batch that the journal never got, and lost it; the shelf was opened without it
// and sold on. An older Redis that has it from before must not bring it back.
TEST_F(ShelfGateTest, WhatWasGivenUpDoesNotComeBackWithAnOlderRedis) {
  sell_as({});
  apply({create(9, 0, 0, 0, 77)});
  const std::string journaled = redis_.run({"DUMP", kKey});
  apply({op(Verb::kBuy, "a", 2, "r", 11)});
  const std::string lane = own("@lane:7"), packed_before = packed(),
                    receipt = redis_.run({"LINDEX", kReceipts, "-1"});
  // Empty, rebuilt from the journal, which has the first batch only, and noted.
  redis_.run({"FLUSHALL"});
  EXPECT_EQ(gate({.journaled = 1, .process = "run-2"}), "BEHIND");
  redis_.run({"HSET", kKey, "@lane:7", "1 journal-a incarnation-1 " + std::to_string(gate_epoch_)});
  EXPECT_EQ(ask({.journaled = 1, .process = "run-2"}), "NOTE");
  EXPECT_EQ(applied_, 1u);
  EXPECT_EQ(own("@wait"), ",7,") << "it opens for nobody before";
  EXPECT_EQ(gate({.journaled = 1, .process = "run-2"}), "OPEN");
  // The replica that has it becomes the master.
  redis_.run(
      {"HSET", kKey, "@lane:7", lane, "phone", packed_before, "@epoch", std::to_string(epoch_)});
  redis_.run({"DEL", kReceipts});
  redis_.run({"RPUSH", kReceipts, "2 0 0 1 "});
  EXPECT_EQ(gate({.journaled = 1, .process = "run-3"}), "BEHIND");
  EXPECT_EQ(applied_, 0u) << "its receipts are not offered";
  EXPECT_EQ(packed(), "(nil)") << "what it did is taken away";
  EXPECT_GT(gate_epoch_, epoch_);
}

// What Redis has of a lane from before the notes began tells nothing.
TEST_F(ShelfGateTest, ALaneOfAForgottenEpochIsMadeAnew) {
  sell_as({});
  apply({create(9, 0, 0, 0, 77)});
  const std::string later = std::to_string(gate_epoch_ + 1);
  EXPECT_EQ(gate({.journaled = 1}), "OPEN");
  EXPECT_EQ(gate({.journaled = 1, .forgotten = later}), "BEHIND");
  EXPECT_EQ(packed(), "(nil)");
}

// Its history was taken over into a new journal; then a Redis comes back that is older than that.
TEST_F(ShelfGateTest, WhatAPredecessorHadIsMadeAnewFromTheNewJournal) {
  sell_as({});
  apply({create(9, 0, 0, 0, 77)});
  let_die("7", "incarnation-1");
  const LaneOf heir{.journaled = 4, .journal = "journal-b", .incarnation = "b-1"};
  EXPECT_EQ(gate(heir), "FOREIGN");
  LaneOf of_both = heir;
  of_both.predecessors = ",journal-a,";
  EXPECT_EQ(gate(of_both), "BEHIND");
  EXPECT_EQ(packed(), "(nil)");
  EXPECT_EQ(lane_of("7"), "0 journal-b b-1");
}

}  // namespace
}  // namespace sluice::proxy::sale
