// The purchase script of the shelves on a real Redis: what each verdict means, what is written, and
// that sending again never counts anything twice.
#include "call_fixture.h"


namespace sluice::proxy::sale {
namespace {

TEST_F(CallTest, SellsExactlyTheStockAndOneMoreIsSoldOut) {
  EXPECT_EQ(apply({create(2), op(Verb::kBuy, "a", 1, "", 11), op(Verb::kBuy, "b", 1, "", 12),
                   op(Verb::kBuy, "c", 1, "", 13)}),
            "A|A 1|A 0|S 0");
  EXPECT_EQ(item().sold, 2u);
  EXPECT_EQ(redis_.run({"HLEN", kBuyers}), "3") << "two buyers, and the field that keeps the key";
}

TEST_F(CallTest, ACallCarriesManyItemsEachDecidedByItself) {
  EXPECT_EQ(
      apply({of("x", create(1)), of("y", create(2, 1)), of("x", op(Verb::kBuy, "a", 1, "", 11)),
             of("y", op(Verb::kBuy, "a", 1, "", 12)), of("x", op(Verb::kBuy, "b", 1, "", 13)),
             of("y", op(Verb::kBuy, "a", 1, "", 14)), of("z", op(Verb::kBuy, "a", 1, "", 15))}),
      "A|A 0|S 0|A|A 1|L 1 12|N");
  EXPECT_EQ(item("x").sold, 1u);
  EXPECT_EQ(item("y").sold, 1u);
  EXPECT_EQ(packed("z"), "(nil)");
  EXPECT_EQ(apply({of("y", op(Verb::kBuy, "b", 1, "r", 16)), of("x", op(Verb::kRestock, "", 3)),
                   of("x", op(Verb::kBuy, "c", 1, "", 17))}),
            "A 0|A 3|A 2");
  EXPECT_EQ(redis_.run({"LLEN", kReceipts}), "2") << "one receipt a call";
  EXPECT_EQ(redis_.run({"HGET", kKey, "@lane:7"}), std::string("2 ") + kWriter);
}

TEST_F(CallTest, ItemIsPackedAsTheProxyReadsIt) {
  time_ms_ = 1'700'000'000'123;
  Operation made = create(100, 4, 0, 99'999'999'999'999, 0x7edc'ba98'7654'3210);
  made.hold_ms = 900'000;
  apply({made});
  shelves::PackedItem expected;
  expected.stock = expected.initial = 100, expected.limit = 4, expected.fields = 1;
  expected.born = 0x7edc'ba98'7654'3210;
  expected.end_ms = 99'999'999'999'999, expected.hold_ms = 900'000,
  expected.since_ms = expected.changed_ms = time_ms_;
  EXPECT_EQ(item(), expected);
  apply({op(Verb::kBuy, "a", 3, "r", 11), op(Verb::kBuy, "b", 1, "", 12)});
  expected.sold = 4, expected.fields = 3;
  EXPECT_EQ(item(), expected) << "also its checksum, which the script computed from the last one";
  apply({op(Verb::kCancel, "a", 0, "", 11), op(Verb::kRestock, "", 7, "q")});
  expected.sold = 1, expected.stock = 107, expected.fields = 4;
  EXPECT_EQ(item(), expected);
  apply({op(Verb::kClose)});
  expected.state = shelves::PackedItem::State::kClosed, expected.since_ms = time_ms_ + 1;
  EXPECT_EQ(item(), expected);
}

TEST_F(CallTest, ScriptSellsWhatTheProxyPacked) {
  apply({create(5)});
  shelves::PackedItem other = item();
  other.stock = 3'000'000'000, other.sold = 2'999'999'998;
  put(other);
  EXPECT_EQ(apply({op(Verb::kBuy, "a", 1, "", 11), op(Verb::kBuy, "b", 2, "", 12)}), "A 1|S 1");
}

TEST_F(CallTest, TellsWhatASoldOutItemIsKnownBy) {
  CallAnswer told = answer({create(3, 2), op(Verb::kBuy, "a", 1, "r", 11)});
  ASSERT_EQ(told.items.size(), 1u);
  EXPECT_EQ(told.items[0].fields_before, 0u);
  EXPECT_EQ(told.items[0].now.fields, 2u);
  EXPECT_EQ(told.items[0].now.limit, 2u);
  EXPECT_EQ(told.items[0].ends_in_ms, -1);
  told = answer({op(Verb::kBuy, "a", 1, "r2", 12), op(Verb::kBuy, "b", 1, "", 13)});
  EXPECT_EQ(told.items[0].fields_before, 2u);
  EXPECT_EQ(told.items[0].now.fields, 5u) << "a/o/12 and a/r/r2 as well";
  told = answer({op(Verb::kBuy, "c", 1, "", 14), op(Verb::kCancel, "b", 0, "", 13)});
  EXPECT_EQ(told.items[0].fields_before, 5u);
  EXPECT_EQ(told.items[0].now.fields, 5u) << "a cancel takes nobody out";
}

TEST_F(CallTest, TellsHowLongTheSaleLastsByRedissClock) {
  const int64_t now_ms = redis_now_ms();
  apply({create(1, 0, 0, now_ms + 60'000)});
  const CallAnswer next = answer({op(Verb::kBuy, "a", 1, "", 11)});
  EXPECT_LE(next.items[0].ends_in_ms, 60'000);
  EXPECT_GT(next.items[0].ends_in_ms, 30'000);
}

TEST_F(CallTest, UnknownItemIsNoItemNeverZeroLeft) {
  EXPECT_EQ(apply({op(Verb::kBuy, "a"), op(Verb::kStock), op(Verb::kRestock, "", 5),
                   op(Verb::kCancel, "a", 0, "", 3), op(Verb::kClose)}),
            "N|N|N|N|N");
  EXPECT_EQ(redis_.run({"DBSIZE"}), "1") << "the shelf alone";
}

TEST_F(CallTest, AcceptedRequestGetsItsOrderAgainAlsoWhenSoldOutClosedOrAmongSeveral) {
  apply({create(3), op(Verb::kBuy, "a", 1, "r1", 11), op(Verb::kBuy, "a", 1, "r2", 12),
         op(Verb::kBuy, "a", 1, "r3", 13)});
  const std::vector<Operation> again{op(Verb::kBuy, "a", 1, "r1", 91),
                                     op(Verb::kBuy, "a", 1, "r2", 92),
                                     op(Verb::kBuy, "a", 1, "r3", 93)};
  EXPECT_EQ(apply(again), "R 0 11|R 0 12|R 0 13");
  apply({op(Verb::kClose)});
  EXPECT_EQ(apply(again), "R 0 11|R 0 12|R 0 13");
  EXPECT_EQ(item().sold, 3u);
}

TEST_F(CallTest, RefusedRequestIsDecidedAnew) {
  apply({create(1), op(Verb::kBuy, "a", 1, "x", 11)});
  EXPECT_EQ(apply({op(Verb::kBuy, "b", 1, "r", 12)}), "S 0");
  EXPECT_EQ(apply({op(Verb::kRestock, "", 1), op(Verb::kBuy, "b", 1, "r", 13)}), "A 1|A 0");
}

TEST_F(CallTest, SameRequestOfAnotherUserOrItemIsAnotherPurchase) {
  EXPECT_EQ(apply({create(5), op(Verb::kBuy, "a", 1, "r", 11), op(Verb::kBuy, "b", 1, "r", 12),
                   of("y", create(5)), of("y", op(Verb::kBuy, "a", 1, "r", 13))}),
            "A|A 4|A 3|A|A 4");
}

TEST_F(CallTest, LimitCountsLiveQuantityOnBothSides) {
  EXPECT_EQ(apply({create(10, 3), op(Verb::kBuy, "a", 4, "", 11), op(Verb::kBuy, "a", 2, "", 12),
                   op(Verb::kBuy, "a", 2, "", 13), op(Verb::kBuy, "a", 1, "", 14),
                   op(Verb::kBuy, "a", 1, "", 15)}),
            "A|L 0 0|A 8|L 2 12|A 7|L 3 14");
  EXPECT_EQ(apply({op(Verb::kCancel, "a", 0, "", 12), op(Verb::kBuy, "a", 2, "", 16)}),
            "A 9 2|A 7");
}

// Born through another proxy, whose clock is ahead: what is sold of it must have a later id, or a
// way back would take it for an order of an item that had the name before.
TEST_F(CallTest, AnOrdersIdIsAboveItsItems) {
  ids_count_ = true;
  const uint64_t born = uint64_t{1000} << 22 | 9 << 12 | 5;
  apply({create(100, 0, 0, 0, born)});
  const uint64_t before = uint64_t{1000} << 22 | 7 << 12 | 4, same = before + 1;
  EXPECT_EQ(call({op(Verb::kBuy, "a", 1, "", before)}, epoch_, sequence_),
            "IDS " + std::to_string(born & 0xffffffff) + " " + std::to_string(born >> 32));
  EXPECT_EQ(item().sold, 0u);
  EXPECT_EQ(apply({op(Verb::kBuy, "a", 1, "", same)}), "A 99");
  // A cancel's id, and a creation's, are no new ones.
  apply({op(Verb::kCancel, "a", 0, "", 1)});
}

TEST_F(CallTest, WindowIsHalfOpen) {
  const int64_t now_ms = redis_now_ms();
  apply({create(5, 0, now_ms + 3'600'000)});
  EXPECT_EQ(apply({op(Verb::kBuy, "a")}), "B " + std::to_string(now_ms + 3'600'000));
  shelves::PackedItem window = item();
  window.start_ms = 0, window.end_ms = now_ms - 1;
  put(window);
  EXPECT_EQ(apply({op(Verb::kBuy, "a")}), "E " + std::to_string(now_ms - 1));
  window.start_ms = now_ms - 1000, window.end_ms = now_ms + 60'000;
  put(window);
  EXPECT_EQ(apply({op(Verb::kBuy, "a", 1, "", 11)}), "A 4");
}

TEST_F(CallTest, AnItemCreatedForLaterSellsNothingInTheBatchThatCreatesIt) {
  const int64_t later_ms = 99'999'999'999'999;
  EXPECT_EQ(apply({create(5, 0, later_ms - 1, later_ms), op(Verb::kBuy, "a", 1, "", 11)}),
            "A|B " + std::to_string(later_ms - 1));
}

// Lua's stack holds 8,000 values, and what is written at once is bounded by that.
TEST_F(CallTest, TheLargestBatchFitsAndCountsEveryBuyer) {
  apply({create(5000)});
  std::vector<Operation> operations;
  for (uint64_t i = 0; i < 4096; ++i) {
    operations.push_back(op(Verb::kBuy, "user-" + std::to_string(i), 1, "r", 100 + i));
  }
  const std::string verdicts = apply(operations);
  EXPECT_TRUE(verdicts.starts_with("A 4999|A 4998|")) << verdicts.substr(0, 50);
  EXPECT_TRUE(verdicts.ends_with("|A 904")) << verdicts.substr(verdicts.size() - 20);
  EXPECT_EQ(redis_.run({"HLEN", kBuyers}), "4097");
  EXPECT_EQ(item().fields, 4097u);
  EXPECT_EQ(apply({op(Verb::kBuy, "user-4095", 1, "r", 9)}), "R 904 4195");
}

TEST_F(CallTest, AsManyItemsAsOperationsFit) {
  std::vector<Operation> operations;
  for (int i = 0; i < 1000; ++i) operations.push_back(of("item-" + std::to_string(i), create(5)));
  apply(operations);
  for (int i = 0; i < 1000; ++i) {
    operations[static_cast<size_t>(i)] =
        of("item-" + std::to_string(i), op(Verb::kBuy, "a", 1, "", 100 + static_cast<uint64_t>(i)));
  }
  EXPECT_TRUE(apply(operations).ends_with("|A 4|A 4"));
  EXPECT_EQ(item("item-999").sold, 1u);
}

TEST_F(CallTest, OneUsersOperationsInABatchSeeEachOther) {
  EXPECT_EQ(apply({create(10, 2), op(Verb::kBuy, "a", 1, "r", 11), op(Verb::kBuy, "b", 1, "r", 12),
                   op(Verb::kBuy, "a", 1, "r", 13), op(Verb::kCancel, "a", 0, "", 11),
                   op(Verb::kBuy, "a", 2, "s", 14), op(Verb::kBuy, "c", 1, "", 15),
                   op(Verb::kBuy, "a", 1, "t", 16), op(Verb::kQuery, "c", 0, "", 15)}),
            "A|A 9|A 8|R 8 11|A 9 1|A 7|A 6|L 2 14|F 15 1 placed");
}

TEST_F(CallTest, CancelReturnsStockOnceAndRemembersItsRequest) {
  apply({create(2), op(Verb::kBuy, "a", 1, "r1", 11), op(Verb::kBuy, "a", 1, "r2", 12)});
  EXPECT_EQ(apply({op(Verb::kCancel, "a", 0, "c1", 12), op(Verb::kCancel, "a", 0, "c1", 12),
                   op(Verb::kCancel, "a", 0, "c2", 12), op(Verb::kCancel, "a", 0, "", 12)}),
            "A 1 1|R 1|D|D");
  EXPECT_EQ(apply({op(Verb::kCancel, "a", 0, "", 11), op(Verb::kCancel, "a", 0, "", 11)}),
            "A 2 1|D");
  EXPECT_EQ(apply({op(Verb::kCancel, "b", 0, "", 11), op(Verb::kCancel, "a", 0, "", 99)}), "N|N");
  EXPECT_EQ(item().sold, 0u);
  EXPECT_EQ(apply({op(Verb::kBuy, "a", 1, "r2", 13), op(Verb::kBuy, "a", 1, "r1", 14)}),
            "K 12|K 11")
      << "a cancelled order's REQ is still its own, and nobody holds it";
}

TEST_F(CallTest, QueryFindsOnlyTheUsersOwnOrder) {
  apply({create(5), op(Verb::kBuy, "a", 2, "r1", 11), op(Verb::kBuy, "a", 1, "", 12)});
  EXPECT_EQ(apply({op(Verb::kQuery, "a", 0, "r1"), op(Verb::kQuery, "a", 0, "", 12),
                   op(Verb::kQuery, "b", 0, "r1"), op(Verb::kQuery, "b", 0, "", 11),
                   op(Verb::kQuery, "a", 0, "r9")}),
            "F 11 2 placed|F 12 1 placed|N|N|N");
}

TEST_F(CallTest, RestockIsIdempotentByRequestAndNeverGoesBelowSold) {
  apply({create(2), op(Verb::kBuy, "a", 2, "", 11)});
  EXPECT_EQ(apply({op(Verb::kRestock, "", 3, "q"), op(Verb::kRestock, "", 3, "q"),
                   op(Verb::kRestock, "", -4), op(Verb::kRestock, "", -3)}),
            "A 3|R 3|X 3|A 0");
  EXPECT_EQ(apply({op(Verb::kRestock, "", 3, "q")}), "R 0");
  EXPECT_EQ(apply({op(Verb::kRestock, "", 2147483645), op(Verb::kRestock, "", 1)}),
            "A 2147483645|X 2147483645");
}

TEST_F(CallTest, CreateAgainIsFineWithTheSameSettingsOnly) {
  Operation held = create(5, 1);
  held.hold_ms = 1;
  EXPECT_EQ(apply({create(5, 1), create(5, 1), create(6, 1), create(5, 2), held}), "A|R|X|X|X");
  apply({op(Verb::kRestock, "", 10)});
  EXPECT_EQ(apply({create(5, 1)}), "R")
      << "a restock does not change what the item was created with";
}

TEST_F(CallTest, SendingABatchAgainChangesNothing) {
  apply({create(5)});
  EXPECT_TRUE(call({op(Verb::kBuy, "a", 1, "", 11)}, epoch_, 1).starts_with("OK 2 "));
  EXPECT_EQ(call({op(Verb::kBuy, "a", 1, "", 11)}, epoch_, 1), "GAP 2");
  EXPECT_EQ(item().sold, 1u);
}

TEST_F(CallTest, AnotherEpochOrAnotherWriterOfTheLaneWritesNothing) {
  apply({create(5)});
  const std::string before = packed();
  EXPECT_EQ(call({op(Verb::kBuy, "a", 1, "", 11)}, epoch_ + 1, 1), "GATE 5");
  EXPECT_EQ(call({op(Verb::kBuy, "a", 1, "", 11)}, epoch_, 1, 0, "7", "journal-a incarnation-2"),
            std::string("IMPOSTOR ") + kWriter);
  EXPECT_EQ(call({op(Verb::kBuy, "a", 1, "", 11)}, epoch_, 0, 0, "8"), "IMPOSTOR -")
      << "a lane that has not passed the gate";
  EXPECT_EQ(packed(), before);
}

TEST_F(CallTest, LanesCountApart) {
  apply({create(5)});
  open("8");
  EXPECT_TRUE(call({op(Verb::kBuy, "a", 1, "", 11)}, epoch_, 0, 0, "8").starts_with("OK 1 "));
  EXPECT_EQ(apply({op(Verb::kBuy, "b", 1, "", 12)}), "A 3");
}

TEST_F(CallTest, ReceiptsHoldWhatIsNotSyncedAndCompleteTheBatch) {
  apply({create(5), of("y", create(9))});
  Operation buy = op(Verb::kBuy, "a", 2, "r", 11);
  buy.fields = std::string("\x01k\x03\x00v\x00w", 7);
  const std::vector<Operation> batch{buy, op(Verb::kBuy, "b", 9, "", 12),
                                     of("y", op(Verb::kBuy, "a", 1, "", 13))};
  EXPECT_TRUE(call(batch, epoch_, 1, 0).starts_with("OK"));
  const std::string text = redis_.run({"LINDEX", kReceipts, "1"});
  const auto receipt = parse_call_receipt(text);
  ASSERT_TRUE(receipt.ok());
  EXPECT_TRUE(encode_call(time_ms_, batch, kinds_text(batch), {}).is_of(text));
  EXPECT_EQ(receipt->lane_sequence, 2u);
  ASSERT_EQ(receipt->operations.size(), 3u);
  EXPECT_EQ(receipt->operations[0].user, "a");
  EXPECT_EQ(receipt->operations[0].item, "phone");
  EXPECT_EQ(receipt->operations[0].order_id, 11u);
  EXPECT_EQ(receipt->operations[0].fields, buy.fields);
  EXPECT_EQ(receipt->operations[2].item, "y");
  EXPECT_TRUE(receipt->verdicts[0].accepted());
  EXPECT_FALSE(receipt->verdicts[1].accepted());
  EXPECT_TRUE(receipt->verdicts[2].accepted());
  EXPECT_EQ(receipt->verdicts[2].remaining, 8);
  EXPECT_EQ(receipt->time_ms, 1000);
  const auto created = parse_call_receipt(redis_.run({"LINDEX", kReceipts, "0"}));
  ASSERT_TRUE(created.ok());
  EXPECT_EQ(created->operations[0].order_id, 1u) << "what the item is born as";
}

// Not with each call, since it is one more; and never the newest, so that the key stays.
TEST_F(CallTest, ReceiptsThatTheJournalHasAreDroppedNowAndThen) {
  apply({create(1000)});
  for (uint64_t i = 0; i < 100; ++i) {
    apply({op(Verb::kBuy, "u" + std::to_string(i), 1, "", 100 + i)});
    EXPECT_LE(std::stoi(redis_.run({"LLEN", kReceipts})), 20);
  }
  const auto newest = parse_call_receipt(redis_.run({"LINDEX", kReceipts, "-1"}));
  ASSERT_TRUE(newest.ok());
  EXPECT_EQ(newest->lane_sequence, sequence_);
  for (uint64_t i = 0; i < 30; ++i) {
    const std::string user = "v" + std::to_string(i);
    const std::string told = call({op(Verb::kBuy, user, 1, "", 300 + i)}, epoch_, 101 + i, 90);
    EXPECT_TRUE(told.starts_with("OK")) << told;
  }
  const auto oldest = parse_call_receipt(redis_.run({"LINDEX", kReceipts, "0"}));
  ASSERT_TRUE(oldest.ok());
  EXPECT_LE(oldest->lane_sequence, 91u) << "what is above the synced sequence stays";
}

TEST_F(CallTest, RefusedBatchWritesNothing) {
  apply({create(1), op(Verb::kBuy, "a", 1, "", 11)});
  const std::string before = redis_.run({"HGETALL", kKey});
  apply({op(Verb::kBuy, "b", 1, "", 12), op(Verb::kBuy, "c", 1, "", 13)});
  EXPECT_EQ(redis_.run({"HGETALL", kKey}), before);
}

TEST_F(CallTest, KeyOfAnotherTypeIsAnErrorBeforeAnythingIsWritten) {
  apply({create(5), op(Verb::kBuy, "a", 1, "", 11), of("y", create(5))});
  const std::string before = redis_.run({"HGETALL", kKey});
  const std::vector<Operation> batch{of("y", op(Verb::kBuy, "b", 1, "", 12)),
                                     op(Verb::kBuy, "b", 1, "", 13)};
  for (const std::string& key : {kBuyers, kReceipts}) {
    redis_.run({"RENAME", key, "aside"});
    redis_.run({"SET", key, "x"});
    EXPECT_NE(call(batch, epoch_, sequence_).find("WRONGTYPE"), std::string::npos) << key;
    redis_.run({"RENAME", "aside", key});
    EXPECT_EQ(redis_.run({"HGETALL", kKey}), before);
    EXPECT_EQ(redis_.run({"HEXISTS", shelves::buyers_key(kShelf, "y"), "b"}), "0");
  }
  EXPECT_EQ(apply(batch), "A 4|A 3");
}

TEST_F(CallTest, WhateverIsEditedIsNoticedBeforeAnythingIsSoldByIt) {
  apply({create(5), op(Verb::kBuy, "a", 1, "", 11), of("y", create(5))});
  const std::vector<Operation> batch{of("y", op(Verb::kBuy, "b", 1, "", 12)),
                                     op(Verb::kBuy, "b", 1, "", 13)};
  const std::string whole = packed();
  for (size_t i = 0; i < whole.size(); ++i) {
    std::string edited = whole;
    edited[i] = static_cast<char>(edited[i] ^ 4);
    redis_.run({"HSET", kKey, "phone", edited});
    EXPECT_EQ(call(batch, epoch_, sequence_), "EDITED phone") << "byte " << i;
  }
  for (const std::string& edited : {std::string("5"), std::string(), whole + '\0'}) {
    redis_.run({"HSET", kKey, "phone", edited});
    EXPECT_EQ(call(batch, epoch_, sequence_), "EDITED phone");
  }
  redis_.run({"HSET", kKey, "phone", whole});
  redis_.run({"HDEL", kBuyers, "a"});
  EXPECT_EQ(call(batch, epoch_, sequence_), "EDITED phone") << "a buyer is gone";
  EXPECT_EQ(item("y").sold, 0u) << "nor was anything of the batch done";
}

// ---- Deleting.

class DeleteCallTest : public CallTest {
 protected:
  DeleteCallTest() { redis_.run({"HSET", kKey, "@lanes", ",7,"}); }
  // The checksum that is to be confirmed; "" if the answer was another one.
  uint64_t look() {
    const CallAnswer decided = answer({op(Verb::kDelete)});
    const Verdict& verdict = decided.verdicts.at(0);
    EXPECT_EQ(verdict.kind, Verdict::Kind::kToConfirm);
    return static_cast<uint64_t>(verdict.numbers[0]);
  }
  std::string remove(uint64_t checksum) { return apply({op(Verb::kDelete, "", 0, "", checksum)}); }
};

TEST_F(DeleteCallTest, OnlyWhatIsOverAndAsItWasIsDeleted) {
  EXPECT_EQ(apply({op(Verb::kDelete)}), "N");
  apply({create(5), op(Verb::kBuy, "a", 1, "r", 11)});
  EXPECT_EQ(apply({op(Verb::kDelete)}), "V");
  apply({op(Verb::kClose)});
  const uint64_t then = look();
  apply({op(Verb::kCancel, "a", 0, "", 11)});
  EXPECT_TRUE(remove(then).starts_with("W ")) << "it has changed since";
  EXPECT_EQ(remove(look()), "A 1");
  EXPECT_EQ(redis_.run({"EXISTS", kBuyers}), "0");
  EXPECT_EQ(apply({create(7)}), "D") << "MySQL may lack the deletion";
  EXPECT_EQ(remove(look()), "N");
  EXPECT_EQ(packed(), "(nil)");
  EXPECT_EQ(redis_.run({"HGET", kKey, "@deleting"}), "(nil)");
  EXPECT_EQ(apply({op(Verb::kDelete)}), "N");
  EXPECT_EQ(apply({create(7), op(Verb::kBuy, "a", 1, "r", 12)}), "A|A 6") << "the name is free";
}

TEST_F(DeleteCallTest, ItGoesWithTheMarkOfTheLastLaneAndNobodyMeetsItMeanwhile) {
  open("8");
  redis_.run({"HSET", kKey, "@lanes", ",7,8,9,", "@forget:9", "1"});
  apply({create(5), op(Verb::kBuy, "a", 1, "r", 11)});
  apply({op(Verb::kClose)});
  EXPECT_EQ(remove(look()), "A");
  EXPECT_EQ(redis_.run({"HGET", kKey, "@deleting"}), "phone=,7, ");
  EXPECT_EQ(item().state, shelves::PackedItem::State::kDeleting);
  EXPECT_EQ(apply({op(Verb::kBuy, "a", 1, "r", 12), op(Verb::kReopen), op(Verb::kStock),
                   op(Verb::kCancel, "a", 0, "", 11), op(Verb::kRestock, "", 1), create(3)}),
            "N|N|N|N|N|D");
  EXPECT_TRUE(remove(look()).starts_with("W ")) << "this lane has marked it";
  const std::vector<Operation> ask{op(Verb::kDelete)};
  const auto theirs = parse_call_answer(call(ask, epoch_, 0, 0, "8"), ask, {});
  ASSERT_TRUE(theirs.ok());
  const auto checksum = static_cast<uint64_t>(theirs->verdicts.at(0).numbers[0]);
  EXPECT_TRUE(call({op(Verb::kDelete, "", 0, "", checksum)}, epoch_, 0, 0, "8").ends_with("A 1"));
  EXPECT_EQ(redis_.run({"EXISTS", kBuyers}), "0");
  EXPECT_EQ(redis_.run({"HGET", kKey, "@deleting"}), "phone=,7,8, ");
  EXPECT_EQ(apply({op(Verb::kDelete)}), "N") << "for this lane it is gone";
  EXPECT_EQ(apply({create(3)}), "D") << "the other one frees the name";
}

TEST_F(DeleteCallTest, WhatWaitedForALaneThatWasGivenUpIsCompletedByOneThatHasMarkedIt) {
  redis_.run({"HSET", kKey, "@lanes", ",7,8,"});
  apply({create(5), op(Verb::kBuy, "a", 1, "r", 11)});
  apply({op(Verb::kClose)});
  EXPECT_EQ(remove(look()), "A");
  EXPECT_TRUE(remove(look()).starts_with("W "));
  redis_.run({"HSET", kKey, "@forget:8", "1"});
  EXPECT_EQ(remove(look()), "A 1");
  EXPECT_EQ(remove(look()), "N");
  EXPECT_EQ(packed(), "(nil)");
}

TEST_F(DeleteCallTest, OnePastItsEndIsOverToo) {
  apply({create(5, 0, 0, redis_now_ms() - 1)});
  EXPECT_EQ(remove(look()), "A 1");
}

TEST(PurchaseCall, OperationsOfAnItemComeTogetherInTheirOrder) {
  std::vector<Operation> operations;
  for (uint64_t i = 0; i < 9; ++i) {
    operations.push_back(of(std::string(1, "xyz"[i * i % 3]), op(Verb::kBuy, "u", 1, "", i)));
  }
  group_by_item(operations);
  std::string order;
  for (const Operation& each : operations) order += each.item + std::to_string(each.order_id) + " ";
  EXPECT_EQ(order, "x0 x3 x6 y1 y2 y4 y5 y7 y8 ");
}

}  // namespace
}  // namespace sluice::proxy::sale
