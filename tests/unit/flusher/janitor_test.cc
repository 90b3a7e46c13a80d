// Which segments go, and when.
#include "flusher/janitor.h"

#include "tests/unit/flusher/flusher_fixture.h"

namespace sluice::flusher {
namespace {

constexpr int64_t kRetainMs = 1000;
constexpr int64_t kNow = 1'800'000'000'000;

journal::Record record(journal::RecordType type, uint64_t sequence, std::string_view item,
                       int64_t time_ms = kNow - 100 * kRetainMs) {
  journal::Record made;
  made.type = type;
  made.sequence = sequence;
  made.item = item;
  made.time_ms = time_ms;
  return made;
}

// Three segments of 10 records: 1–10, 11–20, 21–….
class RetentionTest : public testing::Test {
 protected:
  size_t deletable(int64_t now_ms = kNow, uint64_t position = 100) {
    return retention.deletable(segments, position, now_ms, kRetainMs);
  }
  Retention retention;
  const std::vector<journal::SegmentSummary> segments{{1, 1, 0}, {2, 11, 0}, {3, 21, 0}};
};

TEST_F(RetentionTest, NewestSegmentAlwaysStays) {
  EXPECT_EQ(deletable(), 2u);
  const std::vector<journal::SegmentSummary> one{{1, 1, 0}};
  EXPECT_EQ(retention.deletable(one, 100, kNow, 0), 0u);
}

TEST_F(RetentionTest, UndrainedSegmentStays) {
  EXPECT_EQ(deletable(kNow, 10), 0u);
  EXPECT_EQ(deletable(kNow + 2 * kRetainMs, 11), 0u);  // seen drained just now
  EXPECT_EQ(deletable(kNow + 4 * kRetainMs, 20), 1u);
}

TEST_F(RetentionTest, OpenItemKeepsItsSegmentsAndAllAfter) {
  retention.observe(record(journal::RecordType::kCreate, 11, "open"), 2);
  EXPECT_EQ(deletable(), 1u);
  retention.observe(record(journal::RecordType::kCreate, 5, "open too"), 1);
  EXPECT_EQ(deletable(), 0u);
}

TEST_F(RetentionTest, ClosedItemLetsGoAfterTheRetention) {
  retention.observe(record(journal::RecordType::kCreate, 1, "phone"), 1);
  retention.observe(record(journal::RecordType::kClose, 2, "phone", kNow), 1);
  EXPECT_EQ(deletable(kNow + kRetainMs - 1), 0u);
  EXPECT_EQ(deletable(kNow + kRetainMs), 2u);
}

TEST_F(RetentionTest, EndOfAnItemCountsAsClosing) {
  journal::Record create = record(journal::RecordType::kCreate, 1, "phone");
  create.end_ms = kNow;
  retention.observe(create, 1);
  EXPECT_EQ(deletable(kNow - 1), 0u);
  EXPECT_EQ(deletable(kNow + kRetainMs - 1), 0u);
  EXPECT_EQ(deletable(kNow + kRetainMs), 2u);
}

TEST_F(RetentionTest, ReopenedItemIsOpen) {
  retention.observe(record(journal::RecordType::kCreate, 1, "phone"), 1);
  retention.observe(record(journal::RecordType::kClose, 2, "phone"), 1);
  retention.observe(record(journal::RecordType::kReopen, 12, "phone"), 2);
  EXPECT_EQ(deletable(), 0u);
}

TEST_F(RetentionTest, ItemReopenedAfterItsRecordsWentKeepsTheRest) {
  retention.observe(record(journal::RecordType::kReopen, 12, "phone"), 2);
  EXPECT_EQ(deletable(), 1u);
}

TEST_F(RetentionTest, LateRecordsOfAForgottenItemKeepNothing) {
  retention.observe(record(journal::RecordType::kCancel, 12, "phone"), 2);
  retention.observe(record(journal::RecordType::kBuy, 13, "phone"), 2);
  EXPECT_EQ(deletable(), 2u);
  EXPECT_EQ(retention.items(), 0u);
}

TEST_F(RetentionTest, FreshRecordsOfADrainedSegmentStayForTheRetention) {
  retention.observe(record(journal::RecordType::kBuy, 12, "phone", kNow), 2);
  EXPECT_EQ(deletable(kNow + kRetainMs - 1), 1u);
  EXPECT_EQ(deletable(kNow + kRetainMs), 2u);
}

TEST_F(RetentionTest, ForgetsItemsWhoseSegmentsAreGone) {
  retention.observe(record(journal::RecordType::kCreate, 1, "one"), 1);
  retention.observe(record(journal::RecordType::kClose, 2, "one"), 1);
  retention.observe(record(journal::RecordType::kCreate, 11, "two"), 2);
  EXPECT_EQ(deletable(), 1u);
  retention.removed_below(segments[1]);
  EXPECT_EQ(retention.items(), 1u);
}

using JanitorTest = FlusherTest;

TEST_F(JanitorTest, DeletesDrainedSegmentsOfClosedItemsFromARealFolder) {
  const auto count = [this] {
    return journal::segments(options.journal_dir, base::posix_file_system())->size();
  };
  const std::string value(1000, 'x');
  std::string fields;
  journal::append_field(fields, "v", value);
  journal().create("phone", 1'000'000);
  for (uint64_t id = 1; id <= 5000; ++id) journal().buy("phone", "u", id, 1, "", fields);
  journal().commit();
  const size_t segments = count();
  ASSERT_GE(segments, 4u);

  RunningFlusher flusher(options, false);
  Janitor janitor(options.journal_dir, base::posix_file_system(), kRetainMs * 1000, flusher.status);
  const int64_t later_ms = base::wall_ms() + 10 * kRetainMs;
  const auto drain = [&] {
    return eventually([&] {
      flusher.loop.request_flush();
      return flusher.status.read().position == journal().last_sequence() + 1;
    });
  };
  ASSERT_TRUE(drain());
  EXPECT_EQ(*janitor.pass(later_ms), 0u);  // the item is open
  journal().close("phone");
  journal().commit();
  ASSERT_TRUE(drain());
  EXPECT_EQ(*janitor.pass(base::wall_ms()), 0u);  // the retention has not passed
  EXPECT_EQ(*janitor.pass(later_ms), segments - 1);
  EXPECT_EQ(count(), 1u);

  // A flusher that starts on what is left goes on where it was.
  ASSERT_EQ(flusher.stop().exit_code, 0);
  journal().buy("phone", "u", 5001);
  journal().commit();
  const LoopEnd end = drain_once();
  EXPECT_EQ(end.exit_code, 0) << end.message;
  EXPECT_EQ(database.ask("SELECT COUNT(*) FROM orders"), "5001");
}

TEST_F(JanitorTest, DatabaseWithoutCheckpointRefusesAShortenedJournal) {
  std::string fields;
  journal::append_field(fields, "v", std::string(1000, 'x'));
  for (uint64_t id = 1; id <= 3000; ++id) journal().buy("phone", "u", id, 1, "", fields);
  journal().commit();
  const auto segments = journal::segments(options.journal_dir, base::posix_file_system());
  ASSERT_GE(segments->size(), 2u);
  ASSERT_TRUE(journal::remove_segment(options.journal_dir, base::posix_file_system(),
                                      segments->front().number)
                  .ok());
  const LoopEnd end = drain_once();
  EXPECT_EQ(end.exit_code, 3);
  EXPECT_NE(end.message.find("no checkpoint of this journal"), std::string::npos) << end.message;
}

}  // namespace
}  // namespace sluice::flusher
