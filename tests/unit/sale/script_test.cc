// The purchase and gate scripts on a real Redis: what each verdict means, what is written, and that
// sending again and closing the gate never count anything twice.
#include "script_fixture.h"

namespace sluice::proxy::sale {
namespace {

TEST_F(ScriptTest, ShaIsTheOneRedisComputes) {
  EXPECT_EQ(redis_.run({"SCRIPT", "LOAD", std::string(scripts_.purchase.text)}),
            scripts_.purchase.sha);
}

TEST_F(ScriptTest, TellsWhatASoldOutItemIsKnownBy) {
  const auto told = [&](const std::vector<Operation>& operations) {
    const auto answer = parse_answer(call(operations, epoch_, sequence_, sequence_), operations);
    EXPECT_TRUE(answer.ok());
    epoch_ = answer->epoch, sequence_ = answer->sequence;
    return *answer;
  };
  Answer answer = told({create(3, 2), op(Verb::kBuy, "a", 1, "r", 11)});
  EXPECT_EQ(answer.fields_before, 0u);
  EXPECT_EQ(answer.fields, 1u);
  EXPECT_EQ(answer.limit, 2);
  EXPECT_EQ(answer.ends_in_ms, -1);
  answer = told({op(Verb::kBuy, "a", 1, "r2", 12), op(Verb::kBuy, "b", 1, "", 13)});
  EXPECT_EQ(answer.fields_before, 1u);
  EXPECT_EQ(answer.fields, 4u) << "a/o/12 and a/r/r2 as well";
  answer = told({op(Verb::kBuy, "c", 1, "", 14), op(Verb::kCancel, "b", 0, "", 13)});
  EXPECT_EQ(answer.fields_before, 4u);
  EXPECT_EQ(answer.fields, 4u) << "a cancel takes nobody out";
}

TEST_F(ScriptTest, TellsHowLongTheSaleLastsByRedissClock) {
  const std::string seconds = redis_.run({"TIME"});
  const int64_t now_ms = std::stoll(seconds.substr(0, seconds.find(' '))) * 1000;
  const std::vector<Operation> created{create(1, 0, 0, now_ms + 60'000)};
  const auto answer = parse_answer(call(created, 0, 0), created);
  const std::vector<Operation> bought{op(Verb::kBuy, "a", 1, "", 11)};
  const auto next = parse_answer(call(bought, answer->epoch, 1), bought);
  EXPECT_LE(next->ends_in_ms, 60'000);
  EXPECT_GT(next->ends_in_ms, 30'000);
}

TEST_F(ScriptTest, SellsExactlyTheStockAndOneMoreIsSoldOut) {
  EXPECT_EQ(apply({create(2), op(Verb::kBuy, "a", 1, "", 11), op(Verb::kBuy, "b", 1, "", 12),
                   op(Verb::kBuy, "c", 1, "", 13)}),
            "A|A 1|A 0|S 0");
  EXPECT_EQ(field("sold"), "2");
  EXPECT_EQ(redis_.run({"HLEN", kBuyers}), "2");
}

TEST_F(ScriptTest, UnknownItemIsNoItemNeverZeroLeft) {
  EXPECT_EQ(apply({op(Verb::kBuy, "a"), op(Verb::kStock), op(Verb::kRestock, "", 5),
                   op(Verb::kCancel, "a", 0, "", 3), op(Verb::kClose)}),
            "N|N|N|N|N");
  EXPECT_EQ(redis_.run({"DBSIZE"}), "0");
}

TEST_F(ScriptTest, AcceptedRequestGetsItsOrderAgainAlsoWhenSoldOutClosedOrAmongSeveral) {
  apply({create(3), op(Verb::kBuy, "a", 1, "r1", 11), op(Verb::kBuy, "a", 1, "r2", 12),
         op(Verb::kBuy, "a", 1, "r3", 13)});
  const std::vector<Operation> again{op(Verb::kBuy, "a", 1, "r1", 91),
                                     op(Verb::kBuy, "a", 1, "r2", 92),
                                     op(Verb::kBuy, "a", 1, "r3", 93)};
  EXPECT_EQ(apply(again), "R 11 0|R 12 0|R 13 0");
  apply({op(Verb::kClose)});
  EXPECT_EQ(apply(again), "R 11 0|R 12 0|R 13 0");
  EXPECT_EQ(field("sold"), "3");
}

TEST_F(ScriptTest, RefusedRequestIsDecidedAnew) {
  apply({create(1), op(Verb::kBuy, "a", 1, "x", 11)});
  EXPECT_EQ(apply({op(Verb::kBuy, "b", 1, "r", 12)}), "S 0");
  EXPECT_EQ(apply({op(Verb::kRestock, "", 1), op(Verb::kBuy, "b", 1, "r", 13)}), "A 1|A 0");
}

TEST_F(ScriptTest, SameRequestOfAnotherUserIsAnotherPurchase) {
  EXPECT_EQ(apply({create(5), op(Verb::kBuy, "a", 1, "r", 11), op(Verb::kBuy, "b", 1, "r", 12)}),
            "A|A 4|A 3");
}

TEST_F(ScriptTest, LimitCountsLiveQuantityOnBothSides) {
  EXPECT_EQ(apply({create(10, 3), op(Verb::kBuy, "a", 4, "", 11), op(Verb::kBuy, "a", 2, "", 12),
                   op(Verb::kBuy, "a", 2, "", 13), op(Verb::kBuy, "a", 1, "", 14),
                   op(Verb::kBuy, "a", 1, "", 15)}),
            "A|L 0 0|A 8|L 2 12|A 7|L 3 14");
  EXPECT_EQ(apply({op(Verb::kCancel, "a", 0, "", 12), op(Verb::kBuy, "a", 2, "", 16)}),
            "A 9 2|A 7");
}

TEST_F(ScriptTest, WindowIsHalfOpen) {
  const std::string now = redis_.run({"TIME"});
  const int64_t now_ms = std::stoll(now.substr(0, now.find(' '))) * 1000;
  apply({create(5, 0, now_ms + 3'600'000)});
  EXPECT_EQ(apply({op(Verb::kBuy, "a")}), "B " + std::to_string(now_ms + 3'600'000));
  redis_.run({"HSET", kItem, "start", "0", "end", std::to_string(now_ms - 1)});
  EXPECT_EQ(apply({op(Verb::kBuy, "a")}), "E " + std::to_string(now_ms - 1));
  redis_.run({"HSET", kItem, "start", std::to_string(now_ms - 1000), "end",
              std::to_string(now_ms + 60'000)});
  EXPECT_EQ(apply({op(Verb::kBuy, "a", 1, "", 11)}), "A 4");
}

TEST_F(ScriptTest, AnItemCreatedForLaterSellsNothingInTheBatchThatCreatesIt) {
  const int64_t later_ms = 99'999'999'999'999;
  EXPECT_EQ(apply({create(5, 0, later_ms - 1, later_ms), op(Verb::kBuy, "a", 1, "", 11)}),
            "A|B " + std::to_string(later_ms - 1));
}

// Lua's stack holds 8,000 values, and what is written at once is bounded by that.
TEST_F(ScriptTest, TheLargestBatchFitsAndCountsEveryBuyer) {
  apply({create(5000)});
  std::vector<Operation> operations;
  for (uint64_t i = 0; i < 4096; ++i) {
    operations.push_back(op(Verb::kBuy, "user-" + std::to_string(i), 1, "r", 100 + i));
  }
  const std::string verdicts = apply(operations);
  EXPECT_TRUE(verdicts.starts_with("A 4999|A 4998|")) << verdicts.substr(0, 50);
  EXPECT_TRUE(verdicts.ends_with("|A 904")) << verdicts.substr(verdicts.size() - 20);
  EXPECT_EQ(redis_.run({"HLEN", kBuyers}), "4096");
  EXPECT_EQ(field("check"), "5000,4096,4096");
  operations.assign(1, op(Verb::kBuy, "user-4095", 1, "r", 9));
  EXPECT_EQ(apply(operations), "R 4195 904");
}

TEST_F(ScriptTest, OneUsersOperationsInABatchSeeEachOther) {
  EXPECT_EQ(apply({create(10, 2), op(Verb::kBuy, "a", 1, "r", 11), op(Verb::kBuy, "b", 1, "r", 12),
                   op(Verb::kBuy, "a", 1, "r", 13), op(Verb::kCancel, "a", 0, "", 11),
                   op(Verb::kBuy, "a", 2, "s", 14), op(Verb::kBuy, "c", 1, "", 15),
                   op(Verb::kBuy, "a", 1, "t", 16), op(Verb::kQuery, "c", 0, "", 15)}),
            "A|A 9|A 8|R 11 8|A 9 1|A 7|A 6|L 2 14|F 15 1 placed");
}

TEST_F(ScriptTest, CancelReturnsStockOnceAndRemembersItsRequest) {
  apply({create(2), op(Verb::kBuy, "a", 1, "r1", 11), op(Verb::kBuy, "a", 1, "r2", 12)});
  EXPECT_EQ(apply({op(Verb::kCancel, "a", 0, "c1", 12), op(Verb::kCancel, "a", 0, "c1", 12),
                   op(Verb::kCancel, "a", 0, "c2", 12), op(Verb::kCancel, "a", 0, "", 12)}),
            "A 1 1|R 1|D|D");
  EXPECT_EQ(apply({op(Verb::kCancel, "a", 0, "", 11), op(Verb::kCancel, "a", 0, "", 11)}),
            "A 2 1|D");
  EXPECT_EQ(apply({op(Verb::kCancel, "b", 0, "", 11), op(Verb::kCancel, "a", 0, "", 99)}), "N|N");
  EXPECT_EQ(field("sold"), "0");
  EXPECT_EQ(apply({op(Verb::kBuy, "a", 1, "r2", 13)}), "R 12 2")
      << "a cancelled order's REQ is still its own";
}

TEST_F(ScriptTest, QueryFindsOnlyTheUsersOwnOrder) {
  apply({create(5), op(Verb::kBuy, "a", 2, "r1", 11), op(Verb::kBuy, "a", 1, "", 12)});
  EXPECT_EQ(apply({op(Verb::kQuery, "a", 0, "r1"), op(Verb::kQuery, "a", 0, "", 12),
                   op(Verb::kQuery, "b", 0, "r1"), op(Verb::kQuery, "b", 0, "", 11),
                   op(Verb::kQuery, "a", 0, "r9")}),
            "F 11 2 placed|F 12 1 placed|N|N|N");
}

TEST_F(ScriptTest, RestockIsIdempotentByRequestAndNeverGoesBelowSold) {
  apply({create(2), op(Verb::kBuy, "a", 2, "", 11)});
  EXPECT_EQ(apply({op(Verb::kRestock, "", 3, "q"), op(Verb::kRestock, "", 3, "q"),
                   op(Verb::kRestock, "", -4), op(Verb::kRestock, "", -3)}),
            "A 3|R 3|X 3|A 0");
  EXPECT_EQ(apply({op(Verb::kRestock, "", 3, "q")}), "R 0");
  EXPECT_EQ(apply({op(Verb::kRestock, "", 2147483645), op(Verb::kRestock, "", 1)}),
            "A 2147483645|X 2147483645");
}

TEST_F(ScriptTest, CreateAgainIsFineWithTheSameSettingsOnly) {
  EXPECT_EQ(apply({create(5, 1), create(5, 1), create(6, 1), create(5, 2)}), "A|R|X|X");
  apply({op(Verb::kRestock, "", 10)});
  EXPECT_EQ(apply({create(5, 1)}), "R")
      << "a restock does not change what the item was created with";
}

TEST_F(ScriptTest, SendingABatchAgainChangesNothing) {
  apply({create(5)});
  EXPECT_EQ(call({op(Verb::kBuy, "a", 1, "", 11)}, epoch_, 1).substr(0, 5), "OK 2 ");
  EXPECT_EQ(call({op(Verb::kBuy, "a", 1, "", 11)}, epoch_, 1), "GAP 2");
  EXPECT_EQ(field("sold"), "1");
}

TEST_F(ScriptTest, RaisedEpochRefusesWhatWasSentBefore) {
  apply({create(5)});
  EXPECT_EQ(gate(1, "r"), "OPEN");
  EXPECT_GT(gate_epoch_, epoch_);
  const uint64_t raised = gate_epoch_;
  EXPECT_EQ(call({op(Verb::kBuy, "a", 1, "", 11)}, epoch_, 1), "GATE " + std::to_string(raised));
  EXPECT_EQ(call({op(Verb::kBuy, "a", 1, "", 11)}, raised, 1).substr(0, 2), "OK");
  EXPECT_EQ(gate(2), "OPEN");
  EXPECT_EQ(gate_epoch_, raised) << "joining does not raise";
}

TEST_F(ScriptTest, LanesCountApart) {
  apply({create(5)});
  EXPECT_EQ(call({op(Verb::kBuy, "a", 1, "", 11)}, epoch_, 0, 0, "8").substr(0, 5), "OK 1 ");
  EXPECT_EQ(apply({op(Verb::kBuy, "b", 1, "", 12)}), "A 3");
}

TEST_F(ScriptTest, ReceiptsHoldWhatIsNotSyncedAndCompleteTheBatch) {
  apply({create(5)});
  Operation buy = op(Verb::kBuy, "a", 2, "r", 11);
  buy.fields = std::string("\x01k\x03\x00v\x00w", 7);
  EXPECT_EQ(call({buy, op(Verb::kBuy, "b", 9, "", 12)}, epoch_, 1, 0).substr(0, 2), "OK");
  EXPECT_EQ(call({op(Verb::kBuy, "c", 1, "", 13)}, epoch_, 2, 1).substr(0, 2), "OK");
  EXPECT_EQ(redis_.run({"LLEN", "sluice:{phone}:receipts:7"}), "2")
      << "batch 1 was trimmed as synced";
  const auto receipt =
      parse_receipt(redis_.run({"LINDEX", "sluice:{phone}:receipts:7", "0"}), "phone");
  ASSERT_TRUE(receipt.ok());
  ASSERT_EQ(receipt->operations.size(), 2u);
  EXPECT_EQ(receipt->operations[0].user, "a");
  EXPECT_EQ(receipt->operations[0].order_id, 11u);
  EXPECT_EQ(receipt->operations[0].fields, buy.fields);
  EXPECT_TRUE(receipt->verdicts[0].accepted());
  EXPECT_FALSE(receipt->verdicts[1].accepted());
  EXPECT_EQ(receipt->time_ms, 1000);
}

TEST_F(ScriptTest, RefusedBatchWritesNothing) {
  apply({create(1), op(Verb::kBuy, "a", 1, "", 11)});
  const std::string before = redis_.run({"HGETALL", kItem});
  apply({op(Verb::kBuy, "b", 1, "", 12), op(Verb::kBuy, "c", 1, "", 13)});
  EXPECT_EQ(redis_.run({"HGETALL", kItem}), before);
}

TEST_F(ScriptTest, KeyOfAnotherTypeIsAnErrorBeforeAnythingIsWritten) {
  apply({create(5), op(Verb::kBuy, "a", 1, "", 11)});
  redis_.run({"RENAME", kBuyers, "aside"});
  redis_.run({"SET", kBuyers, "x"});
  EXPECT_NE(call({op(Verb::kRestock, "", 1), op(Verb::kBuy, "b", 1, "", 12)}, epoch_, sequence_)
                .find("WRONGTYPE"),
            std::string::npos);
  EXPECT_EQ(field("stock"), "5");
  EXPECT_EQ(field("sold"), "1");
}

// A script's writes are not taken back. What it leaves behind is seen before the next sale.
TEST_F(ScriptTest, CallThatFailedHalfwayIsNoticedByTheNext) {
  apply({create(5), op(Verb::kBuy, "a", 1, "", 11)});
  redis_.run({"SET", "sluice:{phone}:receipts:7", "x"});
  EXPECT_NE(call({op(Verb::kBuy, "b", 1, "", 12)}, epoch_, sequence_).find("WRONGTYPE"),
            std::string::npos);
  redis_.run({"DEL", "sluice:{phone}:receipts:7"});
  EXPECT_EQ(call({op(Verb::kBuy, "c", 1, "", 13)}, epoch_, sequence_), "EDITED 5,1,2");
}

TEST_F(ScriptTest, EditIsNoticedAlsoBehindAZeroByte) {
  apply({create(5), op(Verb::kBuy, "a", 1, "", 11)});
  redis_.run({"HSET", kItem, "stock", std::string("5\0", 2)});
  EXPECT_EQ(call({op(Verb::kBuy, "b", 1, "", 12)}, epoch_, sequence_).substr(0, 6), "EDITED");
}

}  // namespace
}  // namespace sluice::proxy::sale
