// Group commit: order, density, policies, units, idling.
#include "journal_fixture.h"

#include <atomic>
#include <ctime>
#include <random>
#include <thread>

namespace sluice::journal {
namespace {

using GroupCommitTest = JournalTest;

TEST_F(GroupCommitTest, RecordsComeBackInOrderAfterAnOrderlyStop) {
  auto commit = open();
  EXPECT_EQ(report_.journal_id, 0u);
  for (uint64_t n = 1; n <= 20; ++n) {
    const CommitOutcome outcome = write(*commit, n);
    ASSERT_TRUE(outcome.status.ok());
    EXPECT_EQ(outcome.last_sequence, n);
    EXPECT_TRUE(outcome.synced);
    EXPECT_EQ(commit->synced_sequence(), n);
  }
  const uint64_t id = commit->journal_id();
  EXPECT_TRUE(commit->stop().ok());
  commit.reset();
  EXPECT_EQ(orders(), range(1, 20));
  EXPECT_EQ(orders(7), range(7, 20));

  commit = open();
  EXPECT_EQ(report_.journal_id, id);
  EXPECT_EQ(report_.last_sequence, 20u);
  EXPECT_EQ(report_.records, 20u);
  EXPECT_EQ(report_.order_id_max, 1020u);
  EXPECT_EQ(report_.torn_bytes, 0u);
  EXPECT_EQ(write(*commit, 21).last_sequence, 21u);
  commit.reset();
  EXPECT_EQ(orders(), range(1, 21));
  EXPECT_EQ(segments(dir_, fs_)->size(), 1u) << "an orderly restart needs no new segment";
}

TEST_F(GroupCommitTest, SeveralThreadsGetDenseSequencesAndCallbacksEachInItsOwnOrder) {
  options_.fsync = FsyncPolicy::kNo;
  auto commit = open();
  constexpr int kThreads = 4, kEach = 2000;
  std::mutex mutex;
  std::vector<uint64_t> acknowledged;
  std::vector<std::vector<int>> per_thread(kThreads);
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < kEach; ++i) {
        const uint32_t count = 1 + i % 3;
        std::string records;
        for (uint32_t k = 0; k < count; ++k) records += purchase(t * 100000 + i * 3 + k);
        commit->submit(std::move(records), count, 0, 0, [&, t, i](const CommitOutcome& outcome) {
          const std::lock_guard lock(mutex);
          acknowledged.push_back(outcome.last_sequence);
          per_thread[t].push_back(i);
        });
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_TRUE(commit->stop().ok());
  ASSERT_EQ(acknowledged.size(), size_t{kThreads * kEach});
  EXPECT_TRUE(std::is_sorted(acknowledged.begin(), acknowledged.end()));
  for (const auto& own : per_thread) {
    EXPECT_EQ(own.size(), size_t{kEach});
    EXPECT_TRUE(std::is_sorted(own.begin(), own.end()));
  }
  EXPECT_EQ(orders().size(), acknowledged.back());
}

TEST_F(GroupCommitTest, ABatchIsNeverSplitOverFrames) {
  auto commit = open();
  Outcomes outcomes;
  // Batches of 5 records of 6 KiB: two of them do not fit into one frame of 64 KiB.
  for (uint64_t b = 0; b < 40; ++b) {
    std::string records;
    for (uint64_t k = 1; k <= 5; ++k) records += purchase(b * 5 + k, 6000);
    commit->submit(std::move(records), 5, 0, 0, outcomes.collect());
  }
  ASSERT_EQ(outcomes.wait(40).size(), 40u);
  commit.reset();
  auto reader = Reader::open(dir_, fs_, 1);
  ASSERT_TRUE(reader.ok());
  for (uint64_t sequence = 1; sequence <= 200;) {
    auto group = (*reader)->next();
    ASSERT_TRUE(group.ok() && *group);
    EXPECT_EQ((*group)->records.size() % 5, 0u);
    sequence += (*group)->records.size();
  }
  EXPECT_GT(segments(dir_, fs_)->size(), 3u);
}

TEST_F(GroupCommitTest, WithoutSyncIsAcknowledgedAsNotSynced) {
  options_.fsync = FsyncPolicy::kNo;
  auto commit = open();
  const CommitOutcome outcome = write(*commit, 1);
  EXPECT_TRUE(outcome.status.ok());
  EXPECT_FALSE(outcome.synced);
  EXPECT_EQ(commit->written_sequence(), 1u);
  EXPECT_EQ(commit->synced_sequence(), 0u);
  EXPECT_TRUE(commit->stop().ok());
  EXPECT_EQ(commit->synced_sequence(), 1u);
}

TEST_F(GroupCommitTest, EverySecondAcknowledgesAtOnceAndSyncsLater) {
  options_.fsync = FsyncPolicy::kEverySecond;
  options_.sync_interval_us = 20'000;
  auto commit = open();
  const CommitOutcome outcome = write(*commit, 1);
  EXPECT_TRUE(outcome.status.ok());
  EXPECT_FALSE(outcome.synced);
  EXPECT_TRUE(eventually([&] { return commit->synced_sequence() == 1; }));
}

TEST_F(GroupCommitTest, ASecondWriterIsRefusedAndToldWhoHoldsTheFolder) {
  auto commit = open();
  const std::string pid = "process " + std::to_string(::getpid());
  auto second = recover(dir_, fs_, [](const Record&) {});
  ASSERT_FALSE(second.ok());
  EXPECT_EQ(second.error().cls(), ErrorClass::kExists);
  EXPECT_NE(second.error().message().find(pid), std::string::npos) << second.error().message();
  base::Registry registry;
  auto started = GroupCommit::start(options_, fs_, registry);
  ASSERT_FALSE(started.ok());
  EXPECT_EQ(started.error().cls(), ErrorClass::kExists);
  EXPECT_NE(started.error().message().find(pid), std::string::npos);
  commit.reset();
  EXPECT_TRUE(recover(dir_, fs_, [](const Record&) {}).ok());
}

TEST_F(GroupCommitTest, StartRefusesAFolderThatWasNotRecovered) {
  write_and_kill([](GroupCommit& commit) { write(commit, 1); });
  std::filesystem::remove(path_in(dir_, kNextName));
  base::Registry registry;
  auto started = GroupCommit::start(options_, fs_, registry);
  ASSERT_FALSE(started.ok());
  EXPECT_EQ(started.error().cls(), ErrorClass::kInvalid);
}

TEST_F(GroupCommitTest, SubmitAfterStopIsAnsweredWithAnError) {
  auto commit = open();
  EXPECT_TRUE(commit->stop().ok());
  EXPECT_EQ(write(*commit, 1).status.error().cls(), ErrorClass::kUnavailable);
}

// Whoever submits while the journal stops is in it or is told that it has stopped, never neither.
TEST_F(GroupCommitTest, AStopAmongSubmissionsAnswersEachOnceAndTruly) {
  options_.fsync = FsyncPolicy::kNo;
  constexpr int kThreads = 3, kRounds = 8;
  uint64_t accepted_before = 0;
  for (int round = 0; round < kRounds; ++round) {
    auto commit = open();
    std::atomic<uint64_t> submitted{0}, accepted{0}, refused{0};
    std::vector<std::thread> threads;
    for (int t = 0; t < kThreads; ++t) {
      threads.emplace_back([&] {
        for (bool stopped = false; !stopped;) {
          const uint64_t n = ++submitted;
          const auto thread = std::this_thread::get_id();
          commit->submit(purchase(n), 1, 0, 0, [&, thread](const CommitOutcome& outcome) {
            ++(outcome.status ? accepted : refused);
            if (thread == std::this_thread::get_id()) stopped = true;
          });
        }
      });
    }
    while (accepted < 20) std::this_thread::yield();
    EXPECT_TRUE(commit->stop().ok());
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(refused, uint64_t{kThreads});
    EXPECT_EQ(accepted + refused, submitted);
    commit.reset();
    accepted_before += accepted;
    ASSERT_EQ(orders().size(), accepted_before) << "in round " << round;
  }
}

TEST_F(GroupCommitTest, AnIdleJournalUsesNoCpu) {
  auto commit = open();
  write(*commit, 1);
  timespec before{}, after{};
  ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &before);
  std::this_thread::sleep_for(std::chrono::milliseconds(300));
  ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &after);
  const int64_t used_us = (after.tv_sec - before.tv_sec) * 1'000'000 +
                          (after.tv_nsec - before.tv_nsec) / 1000;
  EXPECT_LT(used_us, 30'000);
}

TEST_F(GroupCommitTest, OptionsOutOfRangeAreRefusedOnBothSides) {
  base::Registry registry;
  const auto starts = [&](int64_t segment_bytes, int64_t bytes_max) {
    options_.segment_bytes = segment_bytes;
    options_.bytes_max = bytes_max;
    std::filesystem::remove_all(dir_);
    return GroupCommit::start(options_, fs_, registry).ok();
  };
  EXPECT_FALSE(starts(kSegmentBytesMin - 1, 64 << 20));
  EXPECT_TRUE(starts(kSegmentBytesMin, 64 << 20));
  EXPECT_FALSE(starts(kSegmentBytesMin, 2 * kSegmentBytesMin - 1));
  EXPECT_TRUE(starts(kSegmentBytesMin, 2 * kSegmentBytesMin));
}

}  // namespace
}  // namespace sluice::journal
