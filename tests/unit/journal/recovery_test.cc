// Recovery: what a crash may leave is cut and kept, what it cannot leave is refused by name.
#include "journal_fixture.h"

#include "journal/compactor.h"
#include "journal/frame_scanner.h"

namespace sluice::journal {
namespace {

using testing::HasSubstr;

class RecoveryTest : public JournalTest {
 protected:
  RecoveryTest() { options_.segment_bytes = kSegmentBytesMin; }

  // Frames of the segment as the file has them: offset and bytes of each.
  struct Place {
    uint64_t offset;
    uint64_t bytes;
  };
  std::vector<Place> frames(uint64_t segment) {
    std::vector<Place> places;
    auto file = fs_.open(segment_path(segment), base::OpenMode::kRead);
    auto listed = list_segments(dir_, fs_);
    EXPECT_TRUE(file.ok() && listed.ok());
    for (const SegmentInfo& info : *listed) {
      if (info.header.segment != segment) continue;
      FrameScanner scanner(**file, frame_seed(info.header.journal_id, segment),
                           kSegmentHeaderBytes);
      Frame frame;
      while (*scanner.next(frame) == FrameScanner::Found::kFrame) {
        places.push_back({frame.offset, scanner.offset() - frame.offset});
      }
    }
    return places;
  }
  void flip(const std::string& path, uint64_t offset) {
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    file.seekg(static_cast<std::streamoff>(offset));
    const int byte = file.get();
    file.seekp(static_cast<std::streamoff>(offset));
    file.put(static_cast<char>(byte ^ 0x41));
  }
  void keep_pristine() {
    std::filesystem::remove_all(root_ + "/pristine");
    std::filesystem::copy(dir_, root_ + "/pristine", std::filesystem::copy_options::recursive);
  }
  void restore_pristine() {
    std::filesystem::remove_all(dir_);
    std::filesystem::copy(root_ + "/pristine", dir_, std::filesystem::copy_options::recursive);
  }
  // Three segments' worth of records, stopped in an orderly way.
  void write_segments() {
    auto commit = open();
    for (uint64_t n = 1; n <= 60; ++n) write(*commit, n, 3000);
    commit.reset();
    ASSERT_GE(segments(dir_, fs_)->size(), 3u);
  }
};

TEST_F(RecoveryTest, AnEmptyOrMissingFolderIsANewJournal) {
  EXPECT_EQ(recovered().journal_id, 0u);
  EXPECT_EQ(recovered().last_sequence, 0u);
}

TEST_F(RecoveryTest, AKilledWritersTailIsRewrittenIntoANewSegment) {
  write_and_kill([](GroupCommit& commit) {
    for (uint64_t n = 1; n <= 5; ++n) write(commit, n);
  });
  EXPECT_EQ(std::filesystem::file_size(segment_path(1)), size_t{kSegmentBytesMin});
  const RecoveryReport report = recovered();
  EXPECT_EQ(report.last_sequence, 5u);
  EXPECT_EQ(report.order_id_max, 1005u);
  EXPECT_EQ(report.torn_bytes, 0u);
  ASSERT_EQ(segments(dir_, fs_)->size(), 2u);
  EXPECT_EQ((*segments(dir_, fs_))[1].first_sequence, 5u) << "record 5 was not known to be synced";
  EXPECT_LT(std::filesystem::file_size(segment_path(1)), 2048u) << "its room is given back";
  EXPECT_EQ(orders(), range(1, 5));
  // Done once is enough.
  EXPECT_EQ(recovered().last_sequence, 5u);
  EXPECT_EQ(segments(dir_, fs_)->size(), 2u);
  auto commit = open();
  EXPECT_EQ(write(*commit, 6).last_sequence, 6u);
  commit.reset();
  EXPECT_EQ(orders(), range(1, 6));
}

TEST_F(RecoveryTest, ATailTornAtAnyByteOfTheLastFrameIsCutAndKept) {
  write_and_kill([](GroupCommit& commit) {
    for (uint64_t n = 1; n <= 3; ++n) write(commit, n);
  });
  const auto places = frames(1);
  ASSERT_EQ(places.size(), 3u);
  const Place last = places.back();
  const std::string whole = slurp(segment_path(1));
  keep_pristine();
  for (uint64_t cut = 0; cut < last.bytes; ++cut) {
    SCOPED_TRACE("torn after " + std::to_string(cut) + " bytes of the last frame");
    restore_pristine();
    // What was not written reads as the zeros of the preallocated room.
    std::string torn = whole;
    std::fill(torn.begin() + static_cast<long>(last.offset + cut), torn.end(), '\0');
    spill(segment_path(1), torn);
    if (torn.substr(0, last.offset + last.bytes) == whole.substr(0, last.offset + last.bytes)) {
      continue;  // the bytes cut were zeros anyway
    }
    const RecoveryReport report = recovered();
    ASSERT_EQ(report.last_sequence, 2u);
    ASSERT_EQ(orders(), range(1, 2));
    if (cut == 0) {
      EXPECT_EQ(report.torn_bytes, 0u);
      continue;
    }
    EXPECT_GT(report.torn_bytes, 0u);
    EXPECT_LE(report.torn_bytes, cut);
    EXPECT_EQ(report.torn_copy, segment_path(1) + ".torn-" + std::to_string(last.offset));
    EXPECT_EQ(slurp(report.torn_copy), whole.substr(last.offset, report.torn_bytes));
    EXPECT_EQ(recovered().torn_bytes, 0u);
  }
}

TEST_F(RecoveryTest, AFileThatEndsWithinTheLastFrameIsATornTailToo) {
  write_and_kill([](GroupCommit& commit) {
    for (uint64_t n = 1; n <= 3; ++n) write(commit, n);
  });
  const Place last = frames(1).back();
  keep_pristine();
  for (uint64_t cut = 0; cut < last.bytes; ++cut) {
    SCOPED_TRACE(cut);
    restore_pristine();
    std::filesystem::resize_file(segment_path(1), last.offset + cut);
    ASSERT_EQ(recovered().last_sequence, 2u);
    ASSERT_EQ(orders(), range(1, 2));
  }
}

TEST_F(RecoveryTest, AFlippedByteInTheLastFrameIsATornTail) {
  write_and_kill([](GroupCommit& commit) {
    for (uint64_t n = 1; n <= 3; ++n) write(commit, n);
  });
  const Place last = frames(1).back();
  keep_pristine();
  for (uint64_t i = 0; i < last.bytes; ++i) {
    SCOPED_TRACE(i);
    restore_pristine();
    flip(segment_path(1), last.offset + i);
    ASSERT_EQ(recovered().last_sequence, 2u);
  }
}

TEST_F(RecoveryTest, AFlippedByteBelowTheSyncedMarkIsRefusedAtEveryOffset) {
  write_and_kill([](GroupCommit& commit) {
    for (uint64_t n = 1; n <= 4; ++n) write(commit, n);
  });
  const auto places = frames(1);
  keep_pristine();
  for (uint64_t offset = 0; offset < places.back().offset; ++offset) {
    SCOPED_TRACE(offset);
    restore_pristine();
    flip(segment_path(1), offset);
    const std::string message = refusal();
    ASSERT_THAT(message, HasSubstr(segment_path(1)));
    uint64_t place = 0;
    for (const Place& frame : places) {
      if (frame.offset <= offset) place = frame.offset;
    }
    ASSERT_THAT(message, HasSubstr("offset " + std::to_string(place) + ":"));
  }
  EXPECT_EQ(slurp(segment_path(1)).size(), slurp(root_ + "/pristine/" + segment_name(1)).size());
}

TEST_F(RecoveryTest, AfterAnOrderlyStopEveryRecordIsBelowTheSyncedMark) {
  auto commit = open();
  for (uint64_t n = 1; n <= 2; ++n) write(*commit, n);
  commit.reset();
  const auto places = frames(1);
  ASSERT_EQ(places.size(), 3u) << "two records and the mark";
  keep_pristine();
  for (uint64_t offset = 0; offset < places.back().offset; ++offset) {
    SCOPED_TRACE(offset);
    restore_pristine();
    flip(segment_path(1), offset);
    ASSERT_NE(refusal(), "");
  }
}

TEST_F(RecoveryTest, ADamagedMarkIsRefusedOnceRecordsFollowIt) {
  auto commit = open();
  write(*commit, 1);
  commit.reset();
  const Place mark = frames(1).back();
  write_and_kill([](GroupCommit& again) { write(again, 2); });
  keep_pristine();
  for (uint64_t i = 0; i < mark.bytes; ++i) {
    restore_pristine();
    flip(segment_path(1), mark.offset + i);
    ASSERT_NE(refusal(), "") << i;
  }
}

TEST_F(RecoveryTest, DamageInAnyOlderSegmentIsRefused) {
  write_segments();
  keep_pristine();
  const auto places = frames(2);
  for (const Place& frame : places) {
    for (const uint64_t at : {frame.offset, frame.offset + 8, frame.offset + frame.bytes - 1}) {
      restore_pristine();
      flip(segment_path(2), at);
      const std::string message = refusal();
      ASSERT_THAT(message, HasSubstr(segment_path(2)));
      ASSERT_THAT(message, HasSubstr("offset " + std::to_string(frame.offset)));
    }
  }
  // A segment cut short, at a frame's border or within.
  for (const uint64_t bytes : {places[1].offset, places[1].offset + 20, uint64_t{64}}) {
    restore_pristine();
    std::filesystem::resize_file(segment_path(2), bytes);
    ASSERT_THAT(refusal(), HasSubstr(segment_path(2)));
  }
}

TEST_F(RecoveryTest, BytesOfAnotherJournalNeverValidate) {
  write_and_kill([](GroupCommit& commit) { write(commit, 1); });
  const std::string other = slurp(segment_path(1));
  std::filesystem::remove_all(dir_);
  write_and_kill([](GroupCommit& commit) { write(commit, 1); });
  // As if this journal's segment had been given blocks of the other one: same record, same place.
  std::string mixed = slurp(segment_path(1));
  mixed.replace(kSegmentHeaderBytes, mixed.size() - kSegmentHeaderBytes,
                other.substr(kSegmentHeaderBytes, mixed.size() - kSegmentHeaderBytes));
  spill(segment_path(1), mixed);
  const RecoveryReport report = recovered();
  EXPECT_EQ(report.last_sequence, 0u);
  EXPECT_GT(report.torn_bytes, 0u);
}

TEST_F(RecoveryTest, BytesOfAnEarlierSegmentNeverValidate) {
  const uint32_t seed = frame_seed(7, 1);
  std::string bytes;
  append_frame(bytes, seed, {0, 1, 1, 0, 0}, purchase(1));
  FrameHeader header;
  std::string_view payload;
  EXPECT_EQ(decode_frame(bytes, seed, header, payload), FrameCheck::kWhole);
  EXPECT_EQ(decode_frame(bytes, frame_seed(7, 2), header, payload), FrameCheck::kBadHeader);
  EXPECT_EQ(decode_frame(bytes, frame_seed(8, 1), header, payload), FrameCheck::kBadHeader);
}

TEST_F(RecoveryTest, AMissingSegmentIsRefusedByName) {
  write_segments();
  std::filesystem::remove(segment_path(2));
  const std::string message = refusal();
  EXPECT_THAT(message, HasSubstr(segment_path(1)));
  EXPECT_THAT(message, HasSubstr("segment 2 is missing"));
}

TEST_F(RecoveryTest, ASegmentUnderAnotherNameIsRefused) {
  write_segments();
  const uint64_t count = segments(dir_, fs_)->size();
  keep_pristine();
  std::filesystem::copy(segment_path(1), segment_path(count + 1));
  EXPECT_THAT(refusal(), HasSubstr("by its header this is segment 1"));
  restore_pristine();
  std::filesystem::rename(segment_path(1), segment_path(99));
  std::filesystem::rename(segment_path(2), segment_path(1));
  std::filesystem::rename(segment_path(99), segment_path(2));
  EXPECT_THAT(refusal(), HasSubstr("by its header this is segment 2"));
  restore_pristine();
  std::filesystem::copy(segment_path(2), dir_ + "/journal-2.segment");
  EXPECT_THAT(refusal(), HasSubstr("journal-2.segment"));
}

TEST_F(RecoveryTest, ASegmentOfAnotherJournalIsRefused) {
  write_segments();
  const std::string own = dir_;
  dir_ = root_ + "/other";
  options_.dir = dir_;
  write_segments();
  std::filesystem::copy_file(segment_path(2), path_in(own, segment_name(2)),
                             std::filesystem::copy_options::overwrite_existing);
  dir_ = own;
  EXPECT_THAT(refusal(), HasSubstr("belongs to another journal"));
}

TEST_F(RecoveryTest, ASegmentRolledBackToAnOlderCopyIsRefused) {
  auto commit = open();
  for (uint64_t n = 1; n <= 5; ++n) write(*commit, n, 3000);
  std::filesystem::copy(segment_path(1), root_ + "/old");
  for (uint64_t n = 6; n <= 40; ++n) write(*commit, n, 3000);
  commit.reset();
  std::filesystem::copy_file(root_ + "/old", segment_path(1),
                             std::filesystem::copy_options::overwrite_existing);
  const std::string message = refusal();
  EXPECT_THAT(message, HasSubstr(segment_path(1)));
  EXPECT_THAT(message, HasSubstr("record 6 should be here"));
}

TEST_F(RecoveryTest, AGapAtTheFrontIsWhatTheJanitorLeaves) {
  write_segments();
  const auto before = *segments(dir_, fs_);
  EXPECT_FALSE(remove_segment(dir_, fs_, 2).ok()) << "not the oldest";
  ASSERT_EQ(Compactor(dir_, fs_).pass(before[1].first_sequence, INT64_MAX, 0)->segments_removed,
            1u);
  const RecoveryReport report = recovered();
  EXPECT_EQ(report.last_sequence, 60u);
  EXPECT_EQ(report.order_id_max, 1060u);
  EXPECT_EQ(orders(before[1].first_sequence), range(before[1].first_sequence, 60));
  auto below = Reader::open(dir_, fs_, before[1].first_sequence - 1);
  ASSERT_FALSE(below.ok());
  EXPECT_EQ(below.error().cls(), ErrorClass::kCorrupt);
}

TEST_F(RecoveryTest, TheHighestOrderIdSurvivesTheDeletionOfEveryOlderSegment) {
  write_and_kill([](GroupCommit& commit) { write(commit, 5); });
  recovered();
  while (segments(dir_, fs_)->size() > 1) {
    ASSERT_TRUE(remove_segment(dir_, fs_, segments(dir_, fs_)->front().number).ok());
  }
  EXPECT_EQ(remove_segment(dir_, fs_, segments(dir_, fs_)->front().number).error().cls(),
            ErrorClass::kInvalid);
  EXPECT_EQ(recovered().order_id_max, 1005u);
  auto commit = open();
  EXPECT_EQ(write(*commit, 6).last_sequence, 2u);
}

TEST_F(RecoveryTest, DyingBetweenRenameAndCutIsHarmless) {
  write_and_kill([](GroupCommit& commit) {
    for (uint64_t n = 1; n <= 3; ++n) write(commit, n);
  });
  const std::string uncut = slurp(segment_path(1));
  recovered();
  spill(segment_path(1), uncut);  // the cut never reached the disk
  EXPECT_EQ(orders(), range(1, 3)) << "no record twice";
  std::vector<uint64_t> seen;
  auto report = recover(dir_, fs_, [&](const Record& r) { seen.push_back(r.sequence); });
  ASSERT_TRUE(report.ok()) << report.error().message();
  EXPECT_EQ(seen, range(1, 3));
  EXPECT_EQ(extent(dir_, fs_)->last_sequence, 3u);
}

TEST_F(RecoveryTest, LeftoversOfAnUnfinishedRecoveryAreRemoved) {
  write_and_kill([](GroupCommit& commit) { write(commit, 1); });
  spill(path_in(dir_, kRecoveryName), "half a segment");
  EXPECT_EQ(recovered().last_sequence, 1u);
  EXPECT_FALSE(std::filesystem::exists(path_in(dir_, kRecoveryName)));
  EXPECT_FALSE(std::filesystem::exists(path_in(dir_, kNextName)));
}

TEST_F(RecoveryTest, ManyKillsInARowLoseNothing) {
  for (uint64_t round = 0; round < 20; ++round) {
    write_and_kill([&](GroupCommit& commit) {
      for (uint64_t n = round * 10 + 1; n <= round * 10 + 10; ++n) {
        ASSERT_EQ(write(commit, n).last_sequence, n);
      }
    });
  }
  EXPECT_EQ(recovered().order_id_max, 1200u);
  EXPECT_EQ(orders(), range(1, 200));
}

}  // namespace
}  // namespace sluice::journal
