// The replay script on a real Redis: an item is rebuilt from the journal as the purchase script
// left it, replaying twice counts nothing twice, and what is missing is not invented.
#include "proxy/sale/replay_chunk.h"
#include "script_fixture.h"

namespace sluice::proxy::sale {
namespace {

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
    made.type = type, made.lane_sequence = batch, made.item = "phone", made.user = user;
    made.quantity = quantity, made.request = request, made.order_id = order_id;
    return made;
  }
  // Adds the batch that Redis applied last, as a proxy journals it.
  void journal_last_batch(std::string& journal) {
    const auto receipt =
        parse_receipt(redis_.run({"LINDEX", "sluice:{phone}:receipts:7", "-1"}), "phone");
    ASSERT_TRUE(receipt.ok());
    uint64_t order_id_max = 0;
    append_accepted(journal, receipt->operations, receipt->verdicts, receipt->batch,
                    receipt->time_ms, order_id_max);
  }
  static std::vector<journal::Record> records_of(std::string_view journal) {
    std::vector<journal::Record> records;
    while (!journal.empty()) records.push_back(*journal::take_record(journal));
    return records;
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
  for (const std::vector<Operation>& batch :
       {std::vector<Operation>{create(20, 4)},
        {op(Verb::kBuy, "a", 1, "r1", 11), op(Verb::kBuy, "b", 2, "", 12),
         op(Verb::kCancel, "b", 0, "c1", 12), op(Verb::kBuy, "a", 2, "r2", 13),
         op(Verb::kBuy, "c", 9, "r3", 14), op(Verb::kBuy, "b", 1, "r4", 15)},
        {op(Verb::kBuy, "a", 1, "", 16), op(Verb::kCancel, "a", 0, "", 11),
         op(Verb::kBuy, "d", 3, std::string(64, 'r'), 17)}}) {
    apply(batch);
    ASSERT_NO_FATAL_FAILURE(journal_last_batch(journal));
  }
  const std::vector<std::string> seen{"a",      "b",      "d",      "a/o/13", "a/o/16", "b/o/15",
                                      "a/r/r2", "b/r/r4", "a/r/r1", "c",      "d/o/17"};
  std::vector<std::string> ask{"HMGET", kBuyers};
  ask.insert(ask.end(), seen.begin(), seen.end());
  const std::string buyers = redis_.run(ask), fields = redis_.run({"HLEN", kBuyers}),
                    check = field("check");
  redis_.run({"FLUSHALL"});
  EXPECT_EQ(replay(records_of(journal)), "OK 9");
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
    ASSERT_NO_FATAL_FAILURE(journal_last_batch(journal));
    redis_.run({"FLUSHALL"});
    const std::vector<journal::Record> records = records_of(journal);
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
