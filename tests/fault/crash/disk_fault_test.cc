// A disk that fails or fills up at each place where it can, under group commit.
#include <gtest/gtest.h>

#include <future>
#include <random>

#include "base/metrics.h"
#include "checks.h"
#include "crash_state.h"
#include "journal/recovery.h"
#include "journal/segment.h"

namespace sluice::crash {
namespace {

using journal::CommitOutcome;
using journal::FsyncPolicy;

constexpr uint64_t kBatches = 60;  // enough for two changes of segment
constexpr size_t kFieldBytes = 3000;

std::string purchase(uint64_t n) {
  const std::string user = "user" + std::to_string(n);
  const std::string note(kFieldBytes, 'x');
  journal::Record record;
  record.item = "item";
  record.user = user;
  record.order_id = n;
  record.quantity = 1;
  record.fields = note;
  return encoded(record, true);
}

class DiskFaultTest : public testing::Test {
 protected:
  // Starts, writes one batch after the other and stops; notes what was acknowledged. A start that
  // fails has acknowledged nothing. False: no operation failed.
  bool write_until_failure(SimFileSystem& fs) {
    EXPECT_TRUE(journal::recover(kDir, fs, [](const journal::Record&) {}).ok());
    base::Registry metrics;
    auto commit = journal::GroupCommit::start(small_segments(FsyncPolicy::kAlways), fs, metrics);
    if (!commit) return true;
    bool failed = false;
    for (uint64_t n = 1; n <= kBatches; ++n) {
      submitted_.records[n] = purchase(n);
      submitted_.batch_ends.insert(n);
      submitted_.order_ids[n] = n;
      std::promise<CommitOutcome> promise;
      auto future = promise.get_future();
      (*commit)->submit(purchase(n), 1, 0, n,
                        [&](const CommitOutcome& outcome) { promise.set_value(outcome); });
      const bool accepted = future.get().status.ok();
      EXPECT_FALSE(failed && accepted) << "record " << n << " acknowledged after a failure";
      if (accepted) acknowledged_ = n;
      failed = failed || !accepted;
    }
    const bool stopped = (*commit)->stop().ok();
    EXPECT_FALSE(failed && stopped) << "stop() says that all is well";
    return failed || !stopped;
  }

  void expect_recovered(const SimFileSystem& fs) {
    Disk disk(fs.base());
    for (const Op& op : fs.ops()) disk.apply(op);
    for (const Loss loss : {Loss::kKill, Loss::kAll, Loss::kNone, Loss::kSome, Loss::kAfter}) {
      SimFileSystem crashed(disk.crash(loss, random_));
      uint64_t last = 0;
      EXPECT_EQ(check_recovery(crashed, submitted_, acknowledged_, last), "");
    }
  }

  std::mt19937_64 random_{1};
  Submitted submitted_;
  uint64_t acknowledged_ = 0;
};

TEST_F(DiskFaultTest, WhateverWriteFailsNothingIsAcknowledgedAfterIt) {
  uint64_t writes = 1;
  for (uint64_t n = 1; n <= writes; ++n) {
    SimFileSystem fs;
    fs.set_faults({.write = n});
    acknowledged_ = 0;
    const bool failed = write_until_failure(fs);
    EXPECT_EQ(failed, fs.writes() >= n) << "write " << n;
    expect_recovered(fs);
    ASSERT_FALSE(HasFailure()) << "write " << n << " failed";
    // All writes before the failed one, and at least one more while it succeeds.
    if (failed) writes = n + 1;
  }
  EXPECT_GT(writes, kBatches);
}

TEST_F(DiskFaultTest, WhateverSyncFailsNothingIsAcknowledgedAfterIt) {
  uint64_t syncs = 1;
  bool whole = false;
  for (uint64_t n = 1; !whole; ++n) {
    SimFileSystem fs;
    fs.set_faults({.sync = n});
    acknowledged_ = 0;
    // A segment that could not be prepared is prepared anew: nothing was in it.
    (void)write_until_failure(fs);
    whole = fs.syncs() < n;
    syncs = n;
    expect_recovered(fs);
    ASSERT_FALSE(HasFailure()) << "sync " << n << " failed";
  }
  EXPECT_GT(syncs, kBatches);
}

TEST_F(DiskFaultTest, AFullDiskRefusesRoomBeforeAnyWriteFails) {
  for (uint64_t bytes = 140'000; bytes < 300'000; bytes += 7'919) {
    SimFileSystem fs;
    fs.set_faults({.space_bytes = bytes});
    ASSERT_TRUE(journal::recover(kDir, fs, [](const journal::Record&) {}).ok());
    base::Registry metrics;
    auto commit = journal::GroupCommit::start(small_segments(FsyncPolicy::kAlways), fs, metrics);
    ASSERT_TRUE(commit.ok()) << commit.error().message();
    const auto write = [&](uint64_t n) {
      const std::string record = purchase(n);
      if (!(*commit)->reserve(record.size())) return false;
      std::promise<CommitOutcome> promise;
      auto future = promise.get_future();
      (*commit)->submit(record, 1, record.size(), n,
                        [&](const CommitOutcome& outcome) { promise.set_value(outcome); });
      const CommitOutcome outcome = future.get();
      EXPECT_TRUE(outcome.status.ok()) << outcome.status.error().message();
      return outcome.status.ok();
    };
    uint64_t n = 1;
    while (n <= 1000 && write(n)) ++n;
    EXPECT_LT(n, 1000u) << "a disk of " << bytes << " bytes never gets full";
    EXPECT_TRUE((*commit)->stop().ok());
  }
}

}  // namespace
}  // namespace sluice::crash
