// A disk that fails, stalls or fills up under the writer.
#include "faulty_file_system.h"
#include "journal_fixture.h"

#include <algorithm>
#include <thread>

namespace sluice::journal {
namespace {

using testing::HasSubstr;

class FaultTest : public JournalTest {
 protected:
  // Where the last frame begins in a segment's bytes: the magic that occurs last.
  static size_t torn_offset(const std::string& segment) {
    std::string magic;
    put(magic, kFrameMagic);
    return segment.rfind(magic);
  }

  FaultyFileSystem faulty_{base::posix_file_system()};
};

TEST_F(FaultTest, AFailedWriteFailsAllWaitersAndEverythingAfter) {
  auto commit = open(faulty_);
  ASSERT_TRUE(write(*commit, 1).status.ok());
  faulty_.fail("pwrite", 1, EIO);
  Outcomes outcomes;
  for (uint64_t n = 2; n <= 50; ++n) {
    commit->submit(purchase(n), 1, 0, 0, outcomes.collect());
  }
  for (const CommitOutcome& outcome : outcomes.wait(49)) {
    ASSERT_FALSE(outcome.status.ok());
    EXPECT_THAT(outcome.status.error().message(), HasSubstr("the journal failed"));
    EXPECT_FALSE(outcome.synced);
  }
  faulty_.set_hook({});  // the disk is well again, but what it holds is not known
  EXPECT_FALSE(write(*commit, 51).status.ok());
  EXPECT_FALSE(commit->reserve(1));
  EXPECT_FALSE(commit->stop().ok());
  commit.reset();
  EXPECT_EQ(recovered().last_sequence, 1u);
}

TEST_F(FaultTest, AFailedSyncIsNeverRepeated) {
  auto commit = open(faulty_);
  ASSERT_TRUE(write(*commit, 1).status.ok());
  faulty_.fail("sync", 1, EIO);
  const CommitOutcome failed = write(*commit, 2);
  ASSERT_FALSE(failed.status.ok());
  EXPECT_EQ(commit->synced_sequence(), 1u);
  faulty_.set_hook({});
  (void)faulty_.take_calls();
  EXPECT_FALSE(write(*commit, 3).status.ok());
  EXPECT_FALSE(commit->stop().ok());
  for (const std::string& call : faulty_.take_calls()) {
    EXPECT_THAT(call, testing::Not(HasSubstr("sync journal")));
    EXPECT_THAT(call, testing::Not(HasSubstr("pwrite journal")));
  }
  commit.reset();
  // What was written may be there after all; recovery makes it durable or drops it, as a whole.
  EXPECT_EQ(recovered().last_sequence, 2u);
  EXPECT_EQ(orders(), range(1, 2));
}

TEST_F(FaultTest, AFailedBackgroundSyncBreaksTheJournalToo) {
  options_.fsync = FsyncPolicy::kEverySecond;
  options_.sync_interval_us = 1000;
  std::atomic<int> failures = 0;
  options_.failed = [&](const Error&) { ++failures; };
  auto commit = open(faulty_);
  faulty_.fail("sync", 1, EIO);
  EXPECT_TRUE(write(*commit, 1).status.ok()) << "written is acknowledged";
  EXPECT_TRUE(eventually([&] { return failures == 1; })) << "told although nobody waits";
  EXPECT_TRUE(eventually([&] { return !commit->reserve(1) || (commit->release(1), false); }));
  EXPECT_FALSE(write(*commit, 2).status.ok());
  EXPECT_FALSE(commit->stop().ok());
  EXPECT_EQ(failures, 1);
}

// The kernel tells of lost pages once. Told to the background sync while the commit thread ends the
// segment, that one's own sync succeeds, and proves nothing.
TEST_F(FaultTest, NoSegmentIsBegunBehindOneWhoseBackgroundSyncFailed) {
  options_.fsync = FsyncPolicy::kEverySecond;
  options_.sync_interval_us = 1000;
  open(faulty_).reset();
  auto commit = open(faulty_);  // now the file is called as its segment
  const std::string first = segment_path(1);
  std::atomic<bool> submitted{false}, failed{false};
  std::atomic<int> writes{0};
  faulty_.set_hook([&](const std::string& operation, const std::string& path) -> Status {
    if (path != first) return {};
    if (operation == "pwrite" && ++writes == 1) {
      EXPECT_TRUE(eventually([&] { return submitted.load(); }));
    } else if (operation == "pwrite" && writes == 2) {
      EXPECT_TRUE(eventually([&] { return failed.load(); }));
    } else if (operation == "sync" && !failed) {
      EXPECT_TRUE(eventually([&] { return writes == 2; })) << "the segment is full";
      failed = true;
      return base::errno_error(EIO, "fdatasync " + path);
    }
    return {};
  });
  Outcomes outcomes;
  for (uint64_t n = 1; n <= 10; ++n) {
    commit->submit(purchase(n, n == 1 ? 8 : 60'000), 1, 0, 0, outcomes.collect());
    ASSERT_TRUE(eventually([&] { return writes == 1; }));
  }
  submitted = true;
  for (const CommitOutcome& outcome : outcomes.wait(10)) EXPECT_FALSE(outcome.synced);
  EXPECT_FALSE(commit->stop().ok());
  EXPECT_FALSE(std::filesystem::exists(segment_path(2)));
}

TEST_F(FaultTest, EverySecondStopsAcknowledgingWhileTheDiskStallsAndGoesOnAfter) {
  options_.fsync = FsyncPolicy::kEverySecond;
  options_.sync_interval_us = 10'000;
  options_.sync_age_max_us = 50'000;
  auto commit = open(faulty_);
  std::atomic<bool> stalled{true};
  std::atomic<bool> syncing{false};
  faulty_.set_hook([&](const std::string& operation, const std::string& path) -> Status {
    if (operation != "sync" || path.find("journal-") == std::string::npos) return {};
    syncing = true;
    EXPECT_TRUE(eventually([&] { return !stalled.load(); }));
    return {};
  });
  EXPECT_TRUE(write(*commit, 1).status.ok());
  ASSERT_TRUE(eventually([&] { return syncing.load(); }));
  std::this_thread::sleep_for(std::chrono::milliseconds(60));  // the age, not luck
  Outcomes outcomes;
  for (uint64_t n = 2; n <= 5; ++n) commit->submit(purchase(n), 1, 0, 0, outcomes.collect());
  ASSERT_TRUE(eventually([&] { return commit->written_sequence() == 5; })) << "writes go on";
  EXPECT_EQ(outcomes.size(), 0u);
  stalled = false;
  const auto all = outcomes.wait(4);
  ASSERT_EQ(all.size(), 4u);
  for (size_t i = 0; i < all.size(); ++i) {
    EXPECT_TRUE(all[i].status.ok());
    EXPECT_EQ(all[i].last_sequence, i + 2);
  }
  EXPECT_TRUE(commit->stop().ok());
}

TEST_F(FaultTest, AFullDiskIsSeenBeforeAnythingFailsAndRoomComesBackByItself) {
  options_.segment_bytes = kSegmentBytesMin;
  std::atomic<bool> full{false};
  faulty_.set_hook([&](const std::string& operation, const std::string& path) -> Status {
    if (!full || operation != "allocate") return {};
    return base::errno_error(ENOSPC, operation + " " + path);
  });
  auto commit = open(faulty_);
  ASSERT_TRUE(eventually([&] { return std::filesystem::exists(path_in(dir_, kNextName)); }));
  full = true;
  uint64_t n = 0;
  Outcomes outcomes;
  const size_t bytes = purchase(1, 2000).size();
  // Sells until there is no room; every promise is kept.
  const auto reserved = [&] {
    if (commit->reserve(bytes)) return true;
    (void)outcomes.wait(n);  // what was promised to others is given back once it is written
    return commit->reserve(bytes);
  };
  while (reserved()) {
    ASSERT_LT(n, 1000u);
    ++n;
    commit->submit(purchase(n, 2000), 1, bytes, 0, outcomes.collect());
    if (n % 7 == 0) (void)outcomes.wait(n);
  }
  for (const CommitOutcome& outcome : outcomes.wait(n)) ASSERT_TRUE(outcome.status.ok());
  EXPECT_GT(n, 30u) << "two segments of 64 KiB take more than that";
  EXPECT_FALSE(commit->reserve(bytes));
  full = false;
  ASSERT_TRUE(eventually([&] { return commit->reserve(bytes); }));
  commit->submit(purchase(n + 1, 2000), 1, bytes, 0, outcomes.collect());
  EXPECT_TRUE(outcomes.wait(n + 1).back().status.ok());
  commit.reset();
  EXPECT_EQ(orders(), range(1, n + 1));
}

TEST_F(FaultTest, AtTheLimitSellingStopsUntilTheFlusherHasDeletedSegments) {
  options_.segment_bytes = kSegmentBytesMin;
  options_.bytes_max = 4 * kSegmentBytesMin;
  auto commit = open();
  const size_t bytes = purchase(1, 2000).size();
  uint64_t n = 0;
  const auto sell_until_full = [&] {
    Outcomes outcomes;
    const uint64_t before = n;
    for (int refused = 0; refused < 40;) {
      if (!commit->reserve(bytes)) {  // the next segment may be on its way
        ++refused;
        std::this_thread::sleep_for(std::chrono::milliseconds(5));
        continue;
      }
      refused = 0;
      ++n;
      commit->submit(purchase(n, 2000), 1, bytes, 0, outcomes.collect());
      ASSERT_EQ(outcomes.wait(n - before).size(), n - before);
    }
    EXPECT_LE(commit->bytes_used(), options_.bytes_max);
  };
  sell_until_full();
  EXPECT_GT(n, 60u);
  const uint64_t sold = n;
  ASSERT_TRUE(remove_segment(dir_, fs_, 1).ok());
  ASSERT_TRUE(eventually([&] { return commit->reserve(bytes) && (commit->release(bytes), true); }));
  sell_until_full();
  EXPECT_GT(n, sold + 10);
  commit.reset();
  const uint64_t first = segments(dir_, fs_)->front().first_sequence;
  EXPECT_EQ(orders(first), range(first, n));
}

TEST_F(FaultTest, AJournalThatIsFullAtTheStartOpensAllTheSame) {
  options_.segment_bytes = kSegmentBytesMin;
  auto commit = open();
  for (uint64_t n = 1; n <= 3; ++n) write(*commit, n);
  commit.reset();
  faulty_.fail("allocate", 1, ENOSPC);
  commit = open(faulty_);
  ASSERT_TRUE(commit);
  EXPECT_FALSE(commit->reserve(1));
  faulty_.set_hook({});
  ASSERT_TRUE(eventually([&] { return commit->reserve(1); }));
  EXPECT_EQ(write(*commit, 4).last_sequence, 4u);
  commit.reset();
  EXPECT_EQ(orders(), range(1, 4));
}

TEST_F(FaultTest, RecoveryKilledAtAnyOperationLosesNothing) {
  write_and_kill([](GroupCommit& commit) {
    for (uint64_t n = 1; n <= 4; ++n) write(commit, n);
  });
  // Tears the last frame, so that the copy is made too.
  const std::string whole = slurp(segment_path(1));
  std::string torn = whole;
  torn[torn.find_last_not_of('\0')] ^= 1;
  spill(segment_path(1), torn);
  std::filesystem::copy(dir_, root_ + "/pristine", std::filesystem::copy_options::recursive);
  int operations = 0;
  for (bool finished = false; !finished; ++operations) {
    ASSERT_LT(operations, 100);
    SCOPED_TRACE("killed before operation " + std::to_string(operations));
    std::filesystem::remove_all(dir_);
    std::filesystem::copy(root_ + "/pristine", dir_, std::filesystem::copy_options::recursive);
    int left = operations;
    faulty_.set_hook([&](const std::string& operation, const std::string& path) -> Status {
      if (operation == "open" || left-- > 0) return {};
      return base::errno_error(EIO, operation + " " + path);
    });
    finished = recover(dir_, faulty_, [](const Record&) {}).ok();
    faulty_.set_hook({});
    const RecoveryReport report = recovered();
    ASSERT_EQ(report.last_sequence, 3u);
    ASSERT_EQ(orders(), range(1, 3));
    ASSERT_EQ(slurp(segment_path(1) + ".torn-" + std::to_string(torn_offset(whole))).size(),
              torn.find_last_not_of('\0') + 1 - torn_offset(whole));
  }
  EXPECT_GT(operations, 8);
}

// How many renames there were; each is followed by the folder's sync before anything relies on it.
int renames_with_their_sync(const std::vector<std::string>& calls) {
  int renames = 0;
  for (auto call = calls.begin(); call != calls.end(); ++call) {
    if (call->rfind("rename", 0) != 0) continue;
    ++renames;
    const auto next = std::find_if(call, calls.end(), [](const std::string& later) {
      return later.rfind("sync_dir", 0) == 0 || later.rfind("pwrite", 0) == 0 ||
             later.rfind("truncate", 0) == 0;
    });
    EXPECT_TRUE(next != calls.end() && next->rfind("sync_dir", 0) == 0) << *call;
  }
  return renames;
}

TEST_F(FaultTest, ADirectoryChangeIsAlwaysFollowedByItsSync) {
  options_.segment_bytes = kSegmentBytesMin;
  auto commit = open(faulty_);
  for (uint64_t n = 1; n <= 60; ++n) write(*commit, n, 3000);
  commit.reset();
  EXPECT_GE(renames_with_their_sync(faulty_.take_calls()), 3);
}

TEST_F(FaultTest, ARewrittenTailHasItsNameOnDiskBeforeTheOldOneIsCut) {
  write_and_kill([](GroupCommit& commit) { write(commit, 1); });
  recovered(faulty_);
  EXPECT_EQ(renames_with_their_sync(faulty_.take_calls()), 1);
  EXPECT_EQ(orders(), range(1, 1));
}

}  // namespace
}  // namespace sluice::journal
