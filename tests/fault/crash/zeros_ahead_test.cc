// Zeros that are written ahead of the frames, so that few syncs pay for space that is new: where
// they go, and when there are none. That they cost no frame is for crash_test.cc to show.
#include <gtest/gtest.h>

#include <algorithm>
#include <future>

#include "base/metrics.h"
#include "journal/recovery.h"
#include "workload.h"

namespace sluice::crash {
namespace {

using journal::CommitOutcome;
using journal::FsyncPolicy;

constexpr uint64_t kZerosAhead = 64 << 10;
constexpr int64_t kWholeSegmentBytes = 1 << 20;
constexpr size_t kGroups = 1000;

std::string purchase(uint64_t order_id, size_t field_bytes) {
  std::string fields;
  journal::append_field(fields, "note", std::string(field_bytes, 'x'));
  journal::Record record;
  record.item = "item";
  record.user = "user";
  record.order_id = order_id;
  record.quantity = 1;
  record.fields = fields;
  return encoded(record, true);
}

// What a group commit wrote.
struct Written {
  uint64_t offset = 0;
  size_t frame_bytes = 0;
  size_t zeros = 0;  // behind the frame

  uint64_t frame_end() const { return offset + frame_bytes; }
  uint64_t end() const { return frame_end() + zeros; }
};

class ZerosAheadTest : public testing::Test {
 protected:
  void start(FsyncPolicy policy) {
    ASSERT_TRUE(journal::recover(kDir, fs_, [](const journal::Record&) {}).ok());
    journal::WriterOptions options = small_segments(policy);
    options.segment_bytes = kWholeSegmentBytes;
    auto started = journal::GroupCommit::start(options, fs_, metrics_);
    ASSERT_TRUE(started.ok()) << started.error().message();
    commit_ = std::move(*started);
  }

  // One group: one frame of `records` purchases.
  Written write(uint32_t records, size_t field_bytes) {
    std::string bytes;
    for (uint32_t i = 0; i < records; ++i) bytes += purchase(++order_id_, field_bytes);
    std::promise<CommitOutcome> promise;
    commit_->submit(bytes, records, 0, order_id_,
                    [&](const CommitOutcome& outcome) { promise.set_value(outcome); });
    EXPECT_TRUE(promise.get_future().get().status.ok());
    const auto last = std::find_if(fs_.ops().rbegin(), fs_.ops().rend(),
                                   [](const Op& op) { return op.kind == OpKind::kWrite; });
    const size_t frame = journal::frame_bytes(bytes.size());
    EXPECT_EQ(last->data.find_first_not_of('\0', frame), std::string::npos);
    return {last->offset, frame, last->data.size() - frame};
  }

  SimFileSystem fs_;
  base::Registry metrics_;
  uint64_t order_id_ = 0;
  std::unique_ptr<journal::GroupCommit> commit_;  // last: it uses all of the above
};

TEST_F(ZerosAheadTest, OnlyOneOfHundredsOfSmallGroupsGoesToNewSpace) {
  start(FsyncPolicy::kAlways);
  uint64_t frames_end = journal::kSegmentHeaderBytes, touched = 0;
  size_t to_new_space = 0;
  for (size_t i = 0; i < kGroups; ++i) {
    const Written group = write(1, 8);
    ASSERT_EQ(group.offset, frames_end) << "frames follow each other, whatever was put ahead";
    frames_end = group.frame_end();
    if (group.end() > touched) ++to_new_space;
    touched = std::max(touched, group.end());
  }
  EXPECT_GE(touched, frames_end);
  EXPECT_EQ(to_new_space, frames_end / kZerosAhead + 1);
}

TEST_F(ZerosAheadTest, ARestartGoesOnBehindTheFramesAndPutsZerosAheadAgain) {
  start(FsyncPolicy::kAlways);
  (void)write(1, 8);
  ASSERT_TRUE(commit_->stop().ok());
  commit_.reset();
  start(FsyncPolicy::kAlways);
  EXPECT_EQ(write(1, 8).zeros, kZerosAhead);
  EXPECT_EQ(write(1, 8).zeros, 0u);
}

TEST_F(ZerosAheadTest, ThereAreNoneWhereGroupsAreNotSynced) {
  for (const FsyncPolicy policy : {FsyncPolicy::kNo, FsyncPolicy::kEverySecond}) {
    start(policy);
    EXPECT_EQ(write(1, 8).zeros, 0u);
    commit_.reset();
  }
}

TEST_F(ZerosAheadTest, ThereAreNoneBehindAGroupThatIsAsLargeItself) {
  start(FsyncPolicy::kAlways);
  const size_t field_bytes = (kZerosAhead - journal::frame_bytes(2 * purchase(1, 0).size())) / 2;
  const Written large = write(2, field_bytes + 8);
  EXPECT_GE(large.frame_bytes, kZerosAhead);
  EXPECT_EQ(large.zeros, 0u);
  const Written smaller = write(2, field_bytes - 8);
  EXPECT_LT(smaller.frame_bytes, kZerosAhead);
  EXPECT_EQ(smaller.zeros, kZerosAhead);
}

TEST_F(ZerosAheadTest, TheyEndWhereTheSegmentEndsAndAreCutWithIt) {
  start(FsyncPolicy::kAlways);
  uint64_t end = 0;
  for (int i = 0; i < 200; ++i) end = std::max(end, write(1, 8000).end());
  EXPECT_EQ(end, static_cast<uint64_t>(kWholeSegmentBytes));
  ASSERT_TRUE(commit_->stop().ok());
  commit_.reset();
  for (const auto& [name, inode] : fs_.live().folders.at(kDir)) {
    EXPECT_LT(fs_.live().files.at(inode)->size(), static_cast<size_t>(kWholeSegmentBytes)) << name;
  }
}

}  // namespace
}  // namespace sluice::crash
