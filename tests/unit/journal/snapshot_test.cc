// The snapshot's format, and folders in which snapshot and segments do not fit together.
#include "snapshot_fixture.h"

namespace sluice::journal {
namespace {

using testing::HasSubstr;

// Two items, compacted in two passes; the segments are deleted.
class SnapshotDamageTest : public SnapshotTest {
 protected:
  void SetUp() override {
    auto commit = open();
    batch(*commit, "phone", 1, RecordType::kCreate);
    fill(*commit, "phone", 4);
    compact();
    batch(*commit, "watch", 1, RecordType::kCreate);
    fill(*commit, "watch", 1);
    commit.reset();
    compact(0);
    ASSERT_GT(segments(dir_, fs_)->front().first_sequence, 1u);
    ASSERT_EQ(snapshot().parts.size(), 2u);
  }
  static void flip(std::string& bytes, size_t at) { bytes[at] = static_cast<char>(bytes[at] ^ 1); }
  // What History says to all this; "": nothing.
  std::string history_refusal() {
    auto opened = History::open(dir_, unsynced_);
    Status status = opened ? Status() : opened.error();
    while (status) {
      auto group = (*opened)->next();
      if (!group) status = group.error();
      if (group && !*group) return "";
    }
    EXPECT_EQ(status.error().cls(), ErrorClass::kCorrupt) << status.error().message();
    return status.error().message();
  }
};

TEST_F(SnapshotTest, ManifestComesBackAsItWasWritten) {
  Snapshot snapshot;
  snapshot.shelves.resize(1);
  snapshot.journal_id = 7, snapshot.generation = 3, snapshot.end_sequence = 100;
  snapshot.order_id_max = 9000, snapshot.end_ms = 55, snapshot.retired_ms = 44;
  snapshot.next_part = 6;
  snapshot.parts = {{2, 1, 60, 10, 1000}, {5, 60, 100, 40, 4000}};
  ItemState item;
  item.created = true;
  item.initial_stock = 1, item.given = 2, item.sold = 3, item.cancelled = 4, item.limit = 5;
  item.start_ms = 6, item.end_ms = 7, item.closed_ms = 8, item.reopened_ms = 9, item.last_ms = 10;
  item.first_sequence = 11, item.last_sequence = 12;
  item.last_lane_sequence = 14;
  item.last_order_id = 15, item.records = 16, item.hold_ms = 17, item.deleted = true;
  snapshot.shelves = {{18, 19}, {}, {20, 0}};
  snapshot.items.emplace(ItemKey{"phone", 21}, item);
  snapshot.items.emplace(ItemKey{"phone", 22}, item);
  snapshot.items.emplace(ItemKey{std::string(64, 'x')}, ItemState());
  auto decoded = decode_snapshot(encode_snapshot(snapshot));
  ASSERT_TRUE(decoded.ok()) << decoded.error().message();
  EXPECT_EQ(*decoded, snapshot);
}

// Whoever replays sends whole batches, and takes the end of a frame for one.
TEST_F(SnapshotTest, AFrameOfAPartEndsWithAWholeBatchHoweverLargeTheGroups) {
  ASSERT_TRUE(fs_.make_dir(dir_).ok());
  auto writer = PartWriter::create(dir_, unsynced_, 7, 1, 1);
  ASSERT_TRUE(writer.ok());
  const std::string user(250, 'u');
  Record record;
  record.item = "item";
  record.user = user;
  uint64_t sequence = 0;
  // Groups of one batch each, of up to nearly a megabyte: the next one often has no room left.
  for (const uint64_t records : {700u, 3200u, 1u, 800u, 3300u, 3300u, 10u, 3400u, 850u, 850u}) {
    ++record.lane_sequence;
    for (uint64_t i = 0; i < records; ++i) {
      record.sequence = ++sequence;
      ASSERT_TRUE((*writer)->add(record).ok());
    }
    ASSERT_TRUE((*writer)->end_group().ok());
  }
  auto part = (*writer)->finish(sequence + 1);
  ASSERT_TRUE(part.ok());
  EXPECT_EQ(part->records, sequence);
  auto reader = PartReader::open(dir_, fs_, 7, *part);
  ASSERT_TRUE(reader.ok());
  uint64_t last_lane_sequence = 0, last_sequence = 0;
  for (auto group = (*reader)->next();; group = (*reader)->next()) {
    ASSERT_TRUE(group.ok()) << group.error().message();
    if (!*group) break;
    EXPECT_EQ((*group)->records.front().lane_sequence, last_lane_sequence + 1);
    last_lane_sequence = (*group)->records.back().lane_sequence;
    for (const Record& read : (*group)->records) ASSERT_EQ(read.sequence, ++last_sequence);
  }
  EXPECT_EQ(last_sequence, sequence);
}

TEST_F(SnapshotTest, PartsThatLeaveAGapAreRefused) {
  Snapshot snapshot;
  snapshot.shelves.resize(1);
  snapshot.journal_id = 7, snapshot.end_sequence = 100, snapshot.next_part = 3;
  snapshot.parts = {{1, 1, 60, 10, 1000}, {2, 60, 100, 40, 4000}};
  EXPECT_TRUE(decode_snapshot(encode_snapshot(snapshot)).ok());
  snapshot.parts[1].first_sequence = 61;
  EXPECT_FALSE(decode_snapshot(encode_snapshot(snapshot)).ok());
  snapshot.parts[1].first_sequence = 60;
  snapshot.parts[1].number = 3;
  EXPECT_FALSE(decode_snapshot(encode_snapshot(snapshot)).ok()) << "not yet written";
}

TEST_F(SnapshotTest, APartNumberThatNoNameCanTellIsRefused) {
  Snapshot snapshot;
  snapshot.shelves.resize(1);
  snapshot.journal_id = 7, snapshot.end_sequence = 100;
  snapshot.parts = {{kFileNumberMax - 1, 1, 100, 10, 1000}};
  snapshot.next_part = kFileNumberMax;
  EXPECT_TRUE(decode_snapshot(encode_snapshot(snapshot)).ok());
  snapshot.next_part = kFileNumberMax + 1;
  EXPECT_FALSE(decode_snapshot(encode_snapshot(snapshot)).ok());
  snapshot.parts[0].number = uint64_t{1} << 60;
  snapshot.next_part = UINT64_MAX;
  EXPECT_FALSE(decode_snapshot(encode_snapshot(snapshot)).ok());
}

TEST_F(SnapshotDamageTest, AFlippedByteOfTheManifestIsRefusedAtEveryOffset) {
  const std::string whole = slurp(manifest_path());
  for (size_t i = 0; i < whole.size(); ++i) {
    SCOPED_TRACE(i);
    std::string damaged = whole;
    flip(damaged, i);
    spill(manifest_path(), damaged);
    ASSERT_THAT(refusal(), HasSubstr(manifest_path()));
    auto loaded = load_snapshot(dir_, fs_);
    ASSERT_FALSE(loaded.ok());
    ASSERT_EQ(loaded.error().cls(), ErrorClass::kCorrupt);
  }
  spill(manifest_path(), whole);
  EXPECT_EQ(refusal(), "");
}

TEST_F(SnapshotDamageTest, AManifestOfAnyOtherLengthIsRefused) {
  const std::string whole = slurp(manifest_path());
  for (size_t bytes = 0; bytes < whole.size(); ++bytes) {
    ASSERT_FALSE(decode_snapshot(std::string_view(whole).substr(0, bytes)).ok()) << bytes;
  }
  EXPECT_FALSE(decode_snapshot(whole + '\0').ok());
}

TEST_F(SnapshotDamageTest, AMissingManifestIsRefusedOnceSegmentsAreDeleted) {
  std::filesystem::remove(manifest_path());
  EXPECT_THAT(refusal(), HasSubstr(manifest_path() + " is missing"));
  EXPECT_THAT(history_refusal(), HasSubstr(manifest_path() + " is missing"));
  auto passed = Compactor(dir_, fs_).pass(end(), kLaterMs, 0);
  EXPECT_TRUE(!passed.ok() || passed->segments_compacted == 0) << "no snapshot is made of a part";
}

TEST_F(SnapshotDamageTest, AMissingManifestIsMadeAnewWhileAllSegmentsAreThere) {
  std::filesystem::remove_all(dir_);
  batches_.clear();
  written_ = 0;
  auto commit = open();
  fill(*commit, "phone", 3);
  compact();
  const Snapshot before = snapshot();
  std::filesystem::remove(manifest_path());
  EXPECT_EQ(compact().segments_compacted, 3u);
  EXPECT_EQ(snapshot().items, before.items);
  EXPECT_THAT(history(), AreTheFacts(facts()));
}

TEST_F(SnapshotDamageTest, TheSnapshotOfAnotherJournalIsRefused) {
  const std::string foreign = slurp(manifest_path());
  std::filesystem::remove_all(dir_);
  auto commit = open();
  batch(*commit, "phone", 1);
  commit.reset();
  spill(manifest_path(), foreign);
  EXPECT_THAT(refusal(), HasSubstr(manifest_path() + " belongs to another journal"));
}

TEST_F(SnapshotDamageTest, AnOlderManifestIsRefusedOnceItsSegmentsAreDeleted) {
  const std::string old = slurp(manifest_path());
  auto commit = open();
  fill(*commit, "watch", 2);
  commit.reset();
  compact(0);
  ASSERT_EQ(refusal(), "");
  spill(manifest_path(), old);
  EXPECT_THAT(refusal(), HasSubstr("those between are missing"));
}

TEST_F(SnapshotDamageTest, OlderSegmentsThanTheSnapshotAreRefused) {
  std::filesystem::copy(dir_, root_ + "/old", std::filesystem::copy_options::recursive);
  auto commit = open();
  fill(*commit, "watch", 2);
  commit.reset();
  compact(0);
  const auto newer = *segments(dir_, fs_), older = *segments(root_ + "/old", fs_);
  for (const auto& info : newer) std::filesystem::remove(segment_path(info.number));
  EXPECT_THAT(refusal(), HasSubstr("but no segment"));
  for (const auto& info : older) {
    const std::string name = segment_name(info.number);
    std::filesystem::copy(path_in(root_ + "/old", name), path_in(dir_, name));
  }
  EXPECT_THAT(refusal(), HasSubstr("the segments are an older copy"));
}

TEST_F(SnapshotDamageTest, AFlippedByteOfAPartIsNamed) {
  const PartInfo info = snapshot().parts[1];
  const std::string path = part_path(info.number);
  const std::string whole = slurp(path);
  ASSERT_EQ(whole.size(), info.bytes);
  for (size_t i = 0; i < whole.size(); i += i < 200 ? 1 : 101) {
    std::string damaged = whole;
    flip(damaged, i);
    spill(path, damaged);
    ASSERT_THAT(history_refusal(), HasSubstr(path)) << i;
  }
  spill(path, whole.substr(0, whole.size() - 8));
  EXPECT_THAT(history_refusal(), HasSubstr(path));
  spill(path, whole);
  EXPECT_EQ(history_refusal(), "");
}

TEST_F(SnapshotDamageTest, AMissingOrSwappedPartIsNamed) {
  const std::string first = part_path(snapshot().parts[0].number);
  const std::string second = part_path(snapshot().parts[1].number);
  std::filesystem::rename(first, root_ + "/aside");
  EXPECT_THAT(history_refusal(), HasSubstr(first + " is missing"));
  const auto examined = examine(dir_, fs_, [](const Record&) {});
  ASSERT_FALSE(examined.ok());
  EXPECT_EQ(examined.error().cls(), ErrorClass::kCorrupt);
  EXPECT_THAT(examined.error().message(), HasSubstr(first + " is missing"));
  std::filesystem::copy(second, first);
  EXPECT_THAT(history_refusal(), HasSubstr(first));
}

TEST_F(SnapshotDamageTest, NoSegmentIsDeletedWhileAPartIsMissing) {
  auto commit = open();
  fill(*commit, "phone", 1);
  commit.reset();
  compact();
  const size_t count = segments(dir_, fs_)->size();
  std::filesystem::remove(part_path(snapshot().parts[0].number));
  EXPECT_FALSE(Compactor(dir_, fs_).pass(end(), kLaterMs, 0).ok());
  EXPECT_EQ(segments(dir_, fs_)->size(), count);
}

}  // namespace
}  // namespace sluice::journal
