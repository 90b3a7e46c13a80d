// The fingerprint: the same wherever frames lie, another one for every other history.
#include "journal/fingerprint.h"
#include "journal/compactor.h"
#include "journal/snapshot.h"
#include "journal_fixture.h"

namespace sluice::journal {
namespace {

using testing::HasSubstr;

class FingerprintTest : public JournalTest {
 protected:
  // Of the folder: before record 1, 2, …, and after the last.
  std::vector<uint64_t> all(uint64_t last) {
    std::vector<uint64_t> sequences;
    for (uint64_t n = 1; n <= last + 1; ++n) sequences.push_back(n);
    auto found = fingerprints(dir_, fs_, sequences);
    EXPECT_TRUE(found.ok()) << found.error().message();
    return found ? *found : std::vector<uint64_t>();
  }
  void copy_to(const std::string& dir) {
    std::filesystem::remove_all(dir);
    std::filesystem::copy(dir_, dir, std::filesystem::copy_options::recursive);
  }
  void bring_back(const std::string& dir) {
    std::filesystem::remove_all(dir_);
    std::filesystem::copy(dir, dir_, std::filesystem::copy_options::recursive);
  }
};

TEST_F(FingerprintTest, EverySequenceHasOneOfItsOwn) {
  options_.segment_bytes = kSegmentBytesMin;
  auto commit = open();
  for (uint64_t n = 1; n <= 70; ++n) write(*commit, n, 3000);
  const std::vector<uint64_t> found = all(70);
  EXPECT_EQ(found.front(), fingerprint_of(commit->journal_id()));
  EXPECT_EQ(std::set<uint64_t>(found.begin(), found.end()).size(), 71u);
  EXPECT_GT(segments(dir_, fs_)->size(), 2u);
  // Asked for alone, from whatever segment, it is the same.
  for (uint64_t n = 1; n <= 71; ++n) {
    const uint64_t one[] = {n};
    EXPECT_EQ(fingerprints(dir_, fs_, one)->front(), found[n - 1]) << n;
  }
  const uint64_t beyond[] = {72};
  EXPECT_EQ(fingerprints(dir_, fs_, beyond).error().cls(), ErrorClass::kCorrupt);
}

TEST_F(FingerprintTest, ItIsTheSameWithinAFrame) {
  auto commit = open();
  Outcomes outcomes;
  std::string records;
  for (uint64_t n = 1; n <= 10; ++n) records += purchase(n);
  commit->submit(records, 10, 0, 0, outcomes.collect());
  outcomes.wait(1);
  const std::vector<uint64_t> found = all(10);
  for (uint64_t n = 1; n <= 11; ++n) {
    const uint64_t one[] = {n};
    EXPECT_EQ(fingerprints(dir_, fs_, one)->front(), found[n - 1]) << n;
  }
}

TEST_F(FingerprintTest, ATailThatIsRewrittenKeepsIt) {
  options_.incarnation = 11;
  write_and_kill([](GroupCommit& commit) {
    for (uint64_t n = 1; n <= 6; ++n) write(commit, n);
  });
  const std::vector<uint64_t> before = all(6);
  EXPECT_EQ(recovered().incarnation, 11u);
  EXPECT_EQ(segments(dir_, fs_)->back().first_sequence, 6u);
  EXPECT_EQ(all(6), before);
  options_.incarnation = 12;
  auto commit = open();
  write(*commit, 7);
  commit.reset();
  const std::vector<uint64_t> after = all(7);
  EXPECT_TRUE(std::equal(before.begin(), before.end(), after.begin()));
  EXPECT_EQ(recovered().incarnation, 12u);
}

TEST_F(FingerprintTest, TwoCopiesPartWithTheFirstRecordThatTheyWriteEvenIfItIsTheSame) {
  auto commit = open();
  for (uint64_t n = 1; n <= 3; ++n) write(*commit, n);
  commit.reset();
  copy_to(root_ + "/copy");
  options_.incarnation = 21;
  commit = open();
  for (uint64_t n = 4; n <= 6; ++n) write(*commit, n);
  commit.reset();
  const std::vector<uint64_t> one = all(6);
  copy_to(root_ + "/one");
  bring_back(root_ + "/copy");
  options_.incarnation = 22;
  commit = open();
  for (uint64_t n = 4; n <= 6; ++n) write(*commit, n);
  commit.reset();
  const std::vector<uint64_t> other = all(6);
  for (size_t i = 0; i < one.size(); ++i) EXPECT_EQ(one[i] == other[i], i < 4) << i;
}

// Files of two copies fit by journal id, names and sequences; the fingerprint tells.
TEST_F(FingerprintTest, SegmentsOfTwoCopiesMixedAreRefused) {
  options_.segment_bytes = kSegmentBytesMin;
  auto commit = open();
  for (uint64_t n = 1; n <= 10; ++n) write(*commit, n, 3000);
  commit.reset();
  copy_to(root_ + "/copy");
  const auto sell_on = [&](uint64_t incarnation) {
    options_.incarnation = incarnation;
    commit = open();
    for (uint64_t n = 11; n <= 90; ++n) write(*commit, n, 3000);
    commit.reset();
  };
  sell_on(31);
  const size_t count = segments(dir_, fs_)->size();
  ASSERT_GT(count, 3u);
  copy_to(root_ + "/one");
  bring_back(root_ + "/copy");
  sell_on(32);
  std::filesystem::copy(root_ + "/one/" + segment_name(count), segment_path(count),
                        std::filesystem::copy_options::overwrite_existing);
  EXPECT_THAT(refusal(), HasSubstr("two copies of one journal"));
  auto reader = Reader::open(dir_, fs_, 1);
  ASSERT_TRUE(reader.ok());
  for (;;) {
    auto group = (*reader)->next();
    if (group && *group) continue;
    ASSERT_FALSE(group.ok());
    EXPECT_THAT(group.error().message(), HasSubstr("two copies of one journal"));
    break;
  }
}

// Within a segment its frames tell, each of which is whole.
TEST_F(FingerprintTest, AFrameOfAnotherCopyAtTheEndOfASegmentIsRefused) {
  auto commit = open();
  for (uint64_t n = 1; n <= 3; ++n) write(*commit, n);
  commit.reset();
  copy_to(root_ + "/copy");
  const auto sell_on = [&](uint64_t incarnation) {
    options_.incarnation = incarnation;
    commit = open();
    write(*commit, 4);
    const SegmentReport segment = examine(dir_, fs_, [](const Record&) {})->segments.back();
    write(*commit, 5);
    commit.reset();
    std::ostringstream bytes;
    bytes << std::ifstream(segment.info.path, std::ios::binary).rdbuf();
    return std::tuple(segment.info.path, segment.end_offset, bytes.str());
  };
  const auto [path, begin, one] = sell_on(51);
  bring_back(root_ + "/copy");
  const auto [same_path, same_begin, other] = sell_on(52);
  ASSERT_EQ(std::tie(path, begin), std::tie(same_path, same_begin));
  std::ofstream(path, std::ios::binary) << one.substr(0, begin) << other.substr(begin);
  EXPECT_THAT(refusal(), HasSubstr("two copies of one journal"));
}

TEST_F(FingerprintTest, ASnapshotOfAnotherCopyIsRefused) {
  options_.segment_bytes = kSegmentBytesMin;
  auto commit = open();
  for (uint64_t n = 1; n <= 5; ++n) write(*commit, n, 3000);
  commit.reset();
  copy_to(root_ + "/copy");
  const auto sell_on = [&](uint64_t incarnation) {
    options_.incarnation = incarnation;
    commit = open();
    for (uint64_t n = 6; n <= 60; ++n) write(*commit, n, 3000);
    commit.reset();
    const uint64_t position = (*segments(dir_, fs_))[2].first_sequence;
    ASSERT_EQ(Compactor(dir_, fs_).pass(position, 0, 1)->segments_compacted, 2u);
  };
  sell_on(41);
  EXPECT_EQ((*load_snapshot(dir_, fs_))->fingerprint,
            all(60)[(*load_snapshot(dir_, fs_))->end_sequence - 1]);
  copy_to(root_ + "/one");
  bring_back(root_ + "/copy");
  sell_on(42);
  for (const auto& entry : std::filesystem::directory_iterator(root_ + "/one")) {
    if (!entry.path().filename().string().starts_with("snapshot")) continue;
    std::filesystem::copy(entry.path(), dir_ + "/" + entry.path().filename().string(),
                          std::filesystem::copy_options::overwrite_existing);
  }
  EXPECT_THAT(refusal(), HasSubstr("two histories of one journal"));
}

}  // namespace
}  // namespace sluice::journal
