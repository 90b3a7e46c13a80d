// The purchase, gate and replay scripts on a real Redis: what each verdict means, what is written,
// and that sending again, closing the gate and replaying never count anything twice.
#include <gtest/gtest.h>

#include <sstream>

#include "proxy/sale/msgpack.h"
#include "proxy/sale/purchase_script.h"
#include "proxy/sale/replay_chunk.h"
#include "redis_fixture.h"

namespace sluice::proxy::sale {
namespace {

Operation op(Verb verb, std::string user = "", int64_t quantity = 1, std::string request = "",
             uint64_t order_id = 0) {
  Operation made;
  made.verb = verb;
  made.item = "phone";
  made.user = std::move(user);
  made.quantity = quantity;
  made.request = std::move(request);
  made.order_id = order_id;
  return made;
}

Operation create(int64_t stock, int64_t limit = 0, int64_t start_ms = 0, int64_t end_ms = 0) {
  Operation made = op(Verb::kCreate, "", stock);
  made.limit = limit, made.start_ms = start_ms, made.end_ms = end_ms;
  return made;
}

class ScriptTest : public testing::Test {
 protected:
  std::string call(const std::vector<Operation>& operations, uint64_t epoch, uint64_t sequence,
                   uint64_t synced = 0, const std::string& lane = "7") {
    const Payload payload = encode_operations(time_ms_, operations, "run-1", 86'400'000);
    return redis_.run({"EVAL", std::string(scripts_.purchase.text), "3", kItem, kBuyers,
                       "sluice:{phone}:receipts:" + lane, lane, std::to_string(epoch),
                       std::to_string(sequence), std::to_string(synced), "journal-a",
                       payload.operations, payload.details});
  }
  // A verdict's line, and behind its letter what remains if the operation's kind tells that.
  static std::string shown(const Operation& op, const Verdict& verdict, std::string line) {
    const bool changes_stock = op.verb == Verb::kCancel || op.verb == Verb::kRestock;
    const std::string remaining = " " + std::to_string(verdict.remaining);
    if (op.verb == Verb::kBuy && verdict.kind == 'R') return line + remaining;
    if ((op.verb == Verb::kBuy && (verdict.kind == 'A' || verdict.kind == 'S')) ||
        (changes_stock && (verdict.kind == 'A' || verdict.kind == 'R' || verdict.kind == 'X'))) {
      line.insert(1, remaining);
    }
    return line;
  }
  // Runs a batch that must be applied as the next one; its verdicts joined by '|'.
  std::string apply(const std::vector<Operation>& operations) {
    const std::string text = call(operations, epoch_, sequence_, sequence_);
    const auto answer = parse_answer(text, operations);
    EXPECT_TRUE(answer.ok() && answer->kind == Answer::Kind::kApplied) << text;
    if (!answer.ok()) return text;
    epoch_ = answer->epoch, sequence_ = answer->sequence;
    std::istringstream lines(text.substr(text.find('\n') + 1));
    std::string line, all;
    for (size_t i = 0; i < operations.size() && std::getline(lines, line); ++i) {
      all += (i == 0 ? "" : "|") + shown(operations[i], answer->verdicts[i], line);
    }
    return all;
  }
  // As a proxy of this lane that has journaled up to `journaled` and knows the lanes 7 and `known`.
  std::string gate(uint64_t journaled, const std::string& flags = "", const std::string& lane = "7",
                   const std::string& run = "run-1", const std::string& known = ",7,",
                   const std::string& forgotten = ",") {
    const std::string reply = redis_.run({"EVAL", std::string(scripts_.gate.text), "3", kItem,
                                          "sluice:{phone}:receipts:" + lane, kBuyers, lane,
                                          std::to_string(journaled), run, known, forgotten, flags});
    const size_t space = reply.find(' ');
    if (space != std::string::npos) gate_epoch_ = std::strtoull(&reply[space], nullptr, 10);
    return reply.substr(0, space);
  }
  std::string field(const std::string& name) { return redis_.run({"HGET", kItem, name}); }

  const std::string kItem = "sluice:{phone}:item", kBuyers = "sluice:{phone}:buyers";
  test::RedisServer redis_;
  const Scripts scripts_ = load_scripts();
  uint64_t epoch_ = 0, sequence_ = 0;
  uint64_t gate_epoch_ = 0;  // as the last gate() told
  int64_t time_ms_ = 1000;   // the proxy's clock
};

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

class ReplayTest : public ScriptTest {
 protected:
  std::string replay(const std::vector<journal::Record>& records) {
    ReplayChunk chunk;
    for (const journal::Record& record : records) chunk.add(record);
    return redis_.run({"EVAL", std::string(scripts_.replay.text), "3", kItem, kBuyers,
                       "sluice:{phone}:receipts:7", "7", "journal-a", chunk.take()});
  }
  static journal::Record record(journal::RecordType type, uint64_t batch, std::string_view user,
                                int64_t quantity, std::string_view request, uint64_t order_id) {
    journal::Record made;
    made.type = type, made.batch = batch, made.item = "phone", made.user = user;
    made.quantity = quantity, made.request = request, made.order_id = order_id;
    return made;
  }
};

TEST_F(ReplayTest, EmptyRedisIsRebuiltAndReplayingTwiceChangesNothing) {
  using journal::RecordType;
  auto created = record(RecordType::kCreate, 1, "", 10, "", 0);
  created.limit = 3;
  const std::vector<journal::Record> records{created,
                                             record(RecordType::kBuy, 2, "a", 1, "r1", 11),
                                             record(RecordType::kBuy, 2, "a", 2, "r2", 12),
                                             record(RecordType::kBuy, 3, "b", 1, "", 13),
                                             record(RecordType::kCancel, 4, "a", 1, "c1", 11),
                                             record(RecordType::kRestock, 5, "", 5, "q", 0),
                                             record(RecordType::kClose, 6, "", 0, "", 0),
                                             record(RecordType::kReopen, 7, "", 0, "", 0)};
  EXPECT_EQ(replay(records), "OK 8");
  const std::string item = redis_.run({"HGETALL", kItem}),
                    buyers = redis_.run({"HGETALL", kBuyers});
  EXPECT_EQ(replay(records), "OK 0");
  EXPECT_EQ(redis_.run({"HGETALL", kItem}), item);
  EXPECT_EQ(redis_.run({"HGETALL", kBuyers}), buyers);
  sequence_ = 7, epoch_ = 1;
  EXPECT_EQ(
      apply({op(Verb::kStock), op(Verb::kBuy, "a", 1, "r1", 91), op(Verb::kBuy, "a", 1, "r2", 92),
             op(Verb::kCancel, "a", 0, "c1", 11), op(Verb::kRestock, "", 5, "q"),
             op(Verb::kBuy, "a", 2, "", 14), op(Verb::kBuy, "a", 1, "", 15)}),
      "T 15 3 3 0 0 open|R 11 12|R 12 12|R 12|R 12|L 2 12|A 11");
}

// The fields of buyers have one form, whoever wrote them. Several purchases of a buyer, cancels
// between purchases and refusals share a batch here.
TEST_F(ReplayTest, BuyersLookAsThePurchaseScriptLeftThem) {
  std::string journal;
  uint64_t order_id_max = 0;
  for (const std::vector<Operation>& batch :
       {std::vector<Operation>{create(20, 4)},
        {op(Verb::kBuy, "a", 1, "r1", 11), op(Verb::kBuy, "b", 2, "", 12),
         op(Verb::kCancel, "b", 0, "c1", 12), op(Verb::kBuy, "a", 2, "r2", 13),
         op(Verb::kBuy, "c", 9, "r3", 14), op(Verb::kBuy, "b", 1, "r4", 15)},
        {op(Verb::kBuy, "a", 1, "", 16), op(Verb::kCancel, "a", 0, "", 11),
         op(Verb::kBuy, "d", 3, std::string(64, 'r'), 17)}}) {
    apply(batch);
    const auto receipt =
        parse_receipt(redis_.run({"LINDEX", "sluice:{phone}:receipts:7", "-1"}), "phone");
    ASSERT_TRUE(receipt.ok());
    append_accepted(journal, receipt->operations, receipt->verdicts, receipt->batch,
                    receipt->time_ms, order_id_max);
  }
  const std::vector<std::string> seen{"a",      "b",      "d",      "a/o/13", "a/o/16", "b/o/15",
                                      "a/r/r2", "b/r/r4", "a/r/r1", "c",      "d/o/17"};
  std::vector<std::string> ask{"HMGET", kBuyers};
  ask.insert(ask.end(), seen.begin(), seen.end());
  const std::string buyers = redis_.run(ask), fields = redis_.run({"HLEN", kBuyers}),
                    check = field("check");
  redis_.run({"FLUSHALL"});
  std::vector<journal::Record> records;
  for (std::string_view rest = journal; !rest.empty();) {
    records.push_back(*journal::take_record(rest));
  }
  EXPECT_EQ(replay(records), "OK 9");
  EXPECT_EQ(redis_.run(ask), buyers);
  EXPECT_EQ(redis_.run({"HLEN", kBuyers}), fields);
  EXPECT_EQ(field("check"), check);
}

// A chunk may begin before what Redis has and end behind it.
TEST_F(ReplayTest, OfTwoBatchesOfPurchasesInOneCallOnlyTheMissingOneIsApplied) {
  using journal::RecordType;
  apply({create(10)});                                                          // batch 1
  apply({op(Verb::kBuy, "a", 1, "r1", 11), op(Verb::kBuy, "b", 1, "r2", 12)});  // batch 2
  EXPECT_EQ(replay({record(RecordType::kBuy, 2, "a", 1, "r1", 11),
                    record(RecordType::kBuy, 2, "b", 1, "r2", 12),
                    record(RecordType::kBuy, 3, "c", 1, "r3", 13),
                    record(RecordType::kBuy, 3, "a", 1, "r4", 14)}),
            "OK 2");
  EXPECT_EQ(field("sold"), "4");
  EXPECT_EQ(redis_.run({"HGET", kBuyers, "a"}), "1,11,r1;2,14");
}

TEST_F(ReplayTest, ContinuesWhereRedisStoppedKnowing) {
  using journal::RecordType;
  apply({create(10), op(Verb::kBuy, "a", 1, "r1", 11)});  // batch 1
  EXPECT_EQ(replay({record(RecordType::kCreate, 1, "", 10, "", 0),
                    record(RecordType::kBuy, 1, "a", 1, "r1", 11),
                    record(RecordType::kBuy, 2, "b", 2, "", 12)}),
            "OK 1");
  EXPECT_EQ(field("sold"), "3");
  EXPECT_EQ(field("lane:7"), "2");
}

TEST_F(ReplayTest, ItemWithoutItsCreationIsMissingNotInvented) {
  EXPECT_EQ(replay({record(journal::RecordType::kBuy, 2, "a", 1, "", 11)}), "MISSING");
  EXPECT_EQ(redis_.run({"DBSIZE"}), "0");
}

// Batches 2 and 3 are gone from the journal: what follows must not be counted on top of a hole.
TEST_F(ReplayTest, RecordsBehindAGapAreRefusedBeforeAnythingIsWritten) {
  using journal::RecordType;
  apply({create(10), op(Verb::kBuy, "a", 1, "r1", 11)});  // batch 1
  const std::string before = redis_.run({"HGETALL", kItem});
  EXPECT_EQ(replay({record(RecordType::kBuy, 4, "b", 2, "", 14)}), "MISSING batch 2");
  EXPECT_EQ(replay({record(RecordType::kBuy, 2, "b", 2, "", 12),
                    record(RecordType::kBuy, 4, "c", 2, "", 14)}),
            "MISSING batch 3");
  EXPECT_EQ(redis_.run({"HGETALL", kItem}), before);
  EXPECT_EQ(redis_.run({"HLEN", kBuyers}), "1");
}

// The clock of a proxy goes back, or that of the next one is behind: what happened last is what
// Redis was told last, and so it stays when the item is rebuilt.
TEST_F(ReplayTest, LastClosingOrReopeningHoldsWhateverTheClockSays) {
  std::string journal;
  time_ms_ = 9000;
  for (const Operation& operation :
       {create(5), op(Verb::kClose), op(Verb::kReopen), op(Verb::kClose)}) {
    EXPECT_TRUE(apply({operation}).starts_with("A"));
    const auto receipt =
        parse_receipt(redis_.run({"LINDEX", "sluice:{phone}:receipts:7", "-1"}), "phone");
    ASSERT_TRUE(receipt.ok());
    uint64_t order_id_max = 0;
    append_accepted(journal, receipt->operations, receipt->verdicts, receipt->batch,
                    receipt->time_ms, order_id_max);
    redis_.run({"FLUSHALL"});
    std::vector<journal::Record> records;
    for (std::string_view rest = journal; !rest.empty();) {
      records.push_back(*journal::take_record(rest));
    }
    EXPECT_EQ(replay(records), "OK " + std::to_string(records.size()));
    EXPECT_EQ(field("state"), operation.verb == Verb::kClose ? "closed" : "open");
    epoch_ = 1;
    time_ms_ -= 1000;
  }
}

// The item's hash is lost, its buyers are not: they are rebuilt with it, else nothing would be
// sold.
TEST_F(ReplayTest, LostItemHashIsRebuiltWithItsBuyersAndCountsThemAsSold) {
  using journal::RecordType;
  apply({create(10), op(Verb::kBuy, "a", 3, "r1", 11)});
  redis_.run({"DEL", kItem});
  EXPECT_EQ(replay({record(RecordType::kCreate, 1, "", 10, "", 0),
                    record(RecordType::kBuy, 1, "a", 3, "r1", 11)}),
            "OK 2");
  EXPECT_EQ(field("sold"), "3");
  EXPECT_EQ(redis_.run({"HGET", kBuyers, "a"}), "3,11,r1");
}

// More fields than Lua can unpack: an error in mid-script would leave orders that are not in
// `sold`.
TEST_F(ReplayTest, ThousandsOfRestocksInOneCallAreApplied) {
  using journal::RecordType;
  constexpr int kRestocks = 9000;
  std::vector<std::string> requests;
  for (int i = 0; i < kRestocks; ++i) requests.push_back("q" + std::to_string(i));
  std::vector<journal::Record> records{record(RecordType::kCreate, 1, "", 10, "", 0),
                                       record(RecordType::kBuy, 2, "a", 1, "", 11)};
  for (int i = 0; i < kRestocks; ++i) {
    records.push_back(
        record(RecordType::kRestock, 3 + static_cast<uint64_t>(i), "", 1, requests[i], 0));
  }
  EXPECT_EQ(replay(records), "OK " + std::to_string(kRestocks + 2));
  EXPECT_EQ(field("stock"), std::to_string(10 + kRestocks));
  EXPECT_EQ(field("sold"), "1");
  EXPECT_EQ(field("req:q8999"), "1");
}

}  // namespace
}  // namespace sluice::proxy::sale
