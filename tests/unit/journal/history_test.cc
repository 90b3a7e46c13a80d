// History beside a writer and a compacting janitor; recovery that reads only the tail.
#include <atomic>
#include <thread>

#include "snapshot_fixture.h"

namespace sluice::journal {
namespace {

using HistoryTest = SnapshotTest;

TEST_F(HistoryTest, WithoutAJournalThereIsNone) {
  ASSERT_TRUE(fs_.make_dir(dir_).ok());
  EXPECT_EQ(History::open(dir_, fs_).error().cls(), ErrorClass::kNotFound);
}

TEST_F(HistoryTest, WithoutASnapshotItIsTheSegments) {
  auto commit = open();
  fill(*commit, "phone", 2);
  EXPECT_THAT(history(), AreTheFacts(facts()));
}

TEST_F(HistoryTest, ItFollowsTheWriter) {
  auto commit = open();
  fill(*commit, "phone", 1);
  compact(0);
  auto opened = History::open(dir_, unsynced_);
  ASSERT_TRUE(opened.ok());
  std::vector<Fact> read;
  read_on(**opened, read);
  EXPECT_EQ(read.size(), written_);
  batch(*commit, "phone", 3);
  read_on(**opened, read);
  EXPECT_EQ(read.size(), written_);
  EXPECT_EQ(read.back().sequence, written_);
}

TEST_F(HistoryTest, PartsThatAreMergedAwayWhileTheyAreReadStayReadable) {
  auto commit = open();
  for (int i = 0; i < 3; ++i) {
    fill(*commit, "phone", 1 + (2 - i) * 2);
    compact(0);
  }
  ASSERT_GE(snapshot().parts.size(), 2u);
  auto opened = History::open(dir_, unsynced_);
  ASSERT_TRUE(opened.ok());
  fill(*commit, "phone", 8);
  compact(0);
  ASSERT_EQ(snapshot().parts.size(), 1u);
  std::vector<Fact> read;
  read_on(**opened, read);
  EXPECT_EQ(read.size(), written_);
}

// Its segments are compacted and deleted between two calls, again and again.
TEST_F(HistoryTest, SegmentsThatAreDeletedUnderItAreReadFromTheSnapshot) {
  auto commit = open();
  for (size_t groups : {0, 1, 5, 100, 250}) {
    SCOPED_TRACE(groups);
    fill(*commit, "phone", 4);
    auto opened = History::open(dir_, unsynced_);
    ASSERT_TRUE(opened.ok());
    std::vector<Fact> read;
    for (size_t i = 0; i < groups; ++i) {
      auto group = (*opened)->next();
      ASSERT_TRUE(group.ok() && *group);
      for (const Record& record : (*group)->records) read.emplace_back(record);
    }
    compact(0);
    fill(*commit, "phone", 3);
    compact(0);
    read_on(**opened, read);
    ASSERT_EQ(read.size(), written_);
    for (uint64_t i = 0; i < written_; ++i) ASSERT_EQ(read[i].sequence, i + 1);
  }
}

TEST_F(HistoryTest, SegmentsThatAreDeletedWhileTheyAreListedAreReadFromTheSnapshot) {
  auto commit = open();
  fill(*commit, "phone", 4);
  compact();
  // The janitor deletes the first two, once the first one's header was read.
  FaultyFileSystem fs(fs_);
  fs.set_hook([&](const std::string& operation, const std::string& path) -> Status {
    if (operation != "open" || path != segment_path(2)) return {};
    if (!std::filesystem::exists(segment_path(1))) return {};
    SLUICE_TRY(remove_segment(dir_, unsynced_, 1));
    return remove_segment(dir_, unsynced_, 2);
  });
  auto opened = History::open(dir_, fs);
  ASSERT_TRUE(opened.ok()) << opened.error().message();
  ASSERT_FALSE(std::filesystem::exists(segment_path(2)));
  std::vector<Fact> read;
  read_on(**opened, read);
  EXPECT_EQ(read.size(), written_);
}

TEST_F(HistoryTest, BesideAWriterAndAJanitorEveryRecordComesOnceAndInOrder) {
  auto commit = open();
  batch(*commit, "phone", 1, RecordType::kCreate);
  std::atomic<bool> stop{false};
  std::atomic<int> passes{0};
  std::thread janitor([&] {
    Compactor compactor(dir_, unsynced_);
    while (!stop) {
      auto passed = compactor.pass(commit->synced_sequence() + 1, kLaterMs, 0);
      ASSERT_TRUE(passed.ok()) << passed.error().message();
      if (passed->segments_compacted > 0) ++passes;
    }
  });
  std::thread readers([&] {
    for (int round = 0; round < 20 || !stop; ++round) {
      const uint64_t least = commit->synced_sequence();
      auto opened = History::open(dir_, unsynced_);
      ASSERT_TRUE(opened.ok()) << opened.error().message();
      std::vector<Fact> read;
      read_on(**opened, read);
      ASSERT_GE(read.size(), least);
      for (uint64_t i = 0; i < read.size(); ++i) ASSERT_EQ(read[i].sequence, i + 1);
    }
  });
  fill(*commit, "phone", 60);
  stop = true;
  janitor.join();
  readers.join();
  EXPECT_GT(passes, 10);
  EXPECT_EQ(history().size(), written_);
}

class TailRecoveryTest : public SnapshotTest {};

TEST_F(TailRecoveryTest, OnlyTheSegmentsBehindTheSnapshotAreRead) {
  auto commit = open();
  batch(*commit, "phone", 1, RecordType::kCreate);
  fill(*commit, "phone", 20);
  batch(*commit, "watch", 3);
  compact();
  commit.reset();
  ASSERT_GE(segments(dir_, fs_)->size(), 21u);
  unsynced_.take_segment_bytes_read();
  uint64_t visited = 0;
  auto report = recover(dir_, unsynced_, [&](const Record& record) {
    ++visited;
    EXPECT_GE(record.sequence, snapshot().end_sequence);
  });
  ASSERT_TRUE(report.ok()) << report.error().message();
  EXPECT_EQ(report->records, visited);
  EXPECT_EQ(report->last_sequence, written_);
  EXPECT_EQ(report->order_id_max, 1000 + written_);
  const size_t headers = segments(dir_, fs_)->size() * kSegmentHeaderBytes;
  const uint64_t bytes_read = unsynced_.take_segment_bytes_read();
  EXPECT_GE(bytes_read, headers);
  EXPECT_LT(bytes_read, headers + kSegmentBytesMin) << "headers, and one segment";
  ASSERT_TRUE(report->snapshot.has_value());
  EXPECT_EQ(*report->snapshot, snapshot());
  EXPECT_FALSE(report->snapshot->items.contains(ItemKey{"watch"})) << "it is in the tail";
}

TEST_F(TailRecoveryTest, HeadersOfCoveredSegmentsAreStillChecked) {
  auto commit = open();
  fill(*commit, "phone", 3);
  compact();
  commit.reset();
  const std::string whole = slurp(segment_path(2));
  std::string damaged = whole;
  damaged[20] ^= 1;
  spill(segment_path(2), damaged);
  EXPECT_THAT(refusal(), testing::HasSubstr(segment_path(2)));
  damaged = whole;
  damaged[kSegmentHeaderBytes + kFrameHeaderBytes + 12] ^= 1;
  spill(segment_path(2), damaged);
  EXPECT_EQ(refusal(), "") << "its records are in the snapshot";
  auto all = examine(dir_, fs_, [](const Record&) {});
  EXPECT_FALSE(all.ok()) << "verify reads everything";
}

TEST_F(TailRecoveryTest, BesideAJanitorEveryTailRecordIsVisitedOnce) {
  auto commit = open();
  fill(*commit, "phone", 10);
  commit.reset();
  const auto listed = *segments(dir_, fs_);
  // Each time a segment is about to be read, it is compacted and deleted instead.
  size_t drained = 0;
  bool listed_all = false;
  unsynced_.set_hook([&](const std::string& operation, const std::string& path) -> Status {
    if (operation != "open") return {};
    if (path == manifest_path()) listed_all = true;
    if (!listed_all || !path.ends_with(".segment") || drained + 2 >= listed.size()) return {};
    listed_all = false;
    const uint64_t position = listed[++drained].first_sequence;
    EXPECT_TRUE(Compactor(dir_, fs_).pass(position, kLaterMs, 0).ok());
    return {};
  });
  std::vector<uint64_t> seen;
  auto report = recover(dir_, unsynced_, [&](const Record& r) { seen.push_back(r.sequence); });
  unsynced_.set_hook(nullptr);
  ASSERT_TRUE(report.ok()) << report.error().message();
  ASSERT_FALSE(seen.empty());
  EXPECT_TRUE(std::is_sorted(seen.begin(), seen.end(), std::less_equal<>()));
  EXPECT_EQ(seen.back(), written_);
  EXPECT_EQ(report->records, seen.size());
  ASSERT_TRUE(report->snapshot.has_value());
  EXPECT_LE(seen.front(), report->snapshot->end_sequence) << "nothing between is missed";
}

}  // namespace
}  // namespace sluice::journal
