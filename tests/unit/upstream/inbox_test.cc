// Work handed to an I/O thread: its order, its wake-ups, and that none is lost.
#include <gtest/gtest.h>

#include <atomic>
#include <barrier>
#include <boost/asio/post.hpp>
#include <chrono>
#include <memory>
#include <semaphore>
#include <string>
#include <thread>
#include <vector>

#include "proxy/upstream/inbox.h"

namespace sluice::proxy::upstream {
namespace {

using namespace std::chrono_literals;

// The thread is not started: the test runs what is posted, and counts it.
class InboxTest : public ::testing::Test {
 protected:
  size_t run() {
    thread_.context().restart();
    return thread_.context().poll();
  }
  IoThread thread_{0};
  std::string story_;
  Inbox inbox_{thread_};
};

TEST_F(InboxTest, ABurstIsOneWakeUpAndTheNextBurstAnother) {
  for (const int burst : {1, 31, 32, 33, 1000}) {
    int ran = 0;
    for (int i = 0; i < burst; ++i) inbox_.push([&ran, i] { EXPECT_EQ(ran++, i); });
    EXPECT_EQ(ran, 0);
    EXPECT_EQ(run(), 1u) << burst;
    EXPECT_EQ(ran, burst);
  }
  EXPECT_EQ(run(), 0u);
}

TEST_F(InboxTest, ABurstOfSeveralThreadsIsOneWakeUp) {
  int ran = 0;
  for (int i = 0; i < 3; ++i) {
    std::thread([&] { inbox_.push([&] { ++ran; }); }).join();
  }
  inbox_.push([&] { ++ran; });
  EXPECT_EQ(run(), 1u);
  EXPECT_EQ(ran, 4);
}

TEST_F(InboxTest, WhatRunningWorkPushesLetsOthersHaveTheirTurnFirst) {
  inbox_.push([&] {
    story_ += 'a';
    boost::asio::post(thread_.context(), [&] { story_ += 's'; });
    inbox_.push([&] { story_ += 'c'; });
  });
  inbox_.push([&] { story_ += 'b'; });
  EXPECT_EQ(run(), 3u);
  EXPECT_EQ(story_, "absc");
}

TEST_F(InboxTest, WhatHasNotRunIsDestroyedWithTheInboxAndNotRun) {
  const auto held = std::make_shared<int>(0);
  {
    Inbox inbox(thread_);
    for (int i = 0; i < 100; ++i) inbox.push([held] { ++*held; });
    EXPECT_EQ(held.use_count(), 101);
  }
  EXPECT_EQ(held.use_count(), 1);
  EXPECT_EQ(*held, 0);
}

TEST_F(InboxTest, WorkIsDestroyedOnceItHasRunNotWhenTheBurstHas) {
  const auto held = std::make_shared<int>(0);
  inbox_.push([held] { ++*held; });
  inbox_.push([&] { EXPECT_EQ(held.use_count(), 1); });
  run();
  EXPECT_EQ(*held, 1);
}

// Threads give way now and then, so that runs begin at any moment of a push.
TEST(InboxThreadsTest, EachThreadsWorkRunsInItsOrderAndAllOfItRuns) {
  constexpr int kThreads = 4, kEach = 20'000;
  IoThread thread(0);
  Inbox inbox(thread);
  std::vector<int> ran(kThreads);  // the I/O thread's
  std::atomic<int> wrong{0};
  std::counting_semaphore<kThreads> done(0);
  thread.start();
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < kEach; ++i) {
        inbox.push([&, t, i] {
          if (ran[t]++ != i) ++wrong;
          if (ran[t] == kEach) done.release();
        });
        if (i % (7 + t) == 0) std::this_thread::yield();
      }
    });
  }
  for (std::thread& each : threads) each.join();
  for (int t = 0; t < kThreads; ++t) EXPECT_TRUE(done.try_acquire_for(20s)) << "work was lost";
  thread.stop();
  thread.join();
  EXPECT_EQ(wrong, 0);
  EXPECT_EQ(ran, std::vector<int>(kThreads, kEach));
}

// In each round the threads push one piece of work each, at about the same time, and no more until
// both have run: a wake-up that one loses is not made good by the next push.
TEST(InboxThreadsTest, NoWakeUpIsLost) {
  constexpr int kThreads = 2, kRounds = 10'000;
  IoThread thread(0);
  Inbox inbox(thread);
  thread.start();
  std::atomic<int> lost{0};
  std::barrier round(kThreads);
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&] {
      // Not on this stack: after a loss the work may still come.
      const auto ran = std::make_shared<std::binary_semaphore>(0);
      for (int i = 0; i < kRounds && lost == 0; ++i) {
        round.arrive_and_wait();
        inbox.push([ran] { ran->release(); });
        if (!ran->try_acquire_for(10s)) ++lost;
      }
      round.arrive_and_drop();
    });
  }
  for (std::thread& each : threads) each.join();
  thread.stop();
  thread.join();
  EXPECT_EQ(lost, 0);
}

// The second half of the threads begin while work of the first is waiting.
TEST(InboxThreadsTest, ThreadsThatEndLeaveTheirWorkInItsOrder) {
  constexpr int kThreads = 100;
  IoThread thread(0);
  Inbox inbox(thread);
  std::vector<int> ran(kThreads);
  int wrong = 0;
  const auto push_two = [&](int t) {
    for (int i = 0; i < 2; ++i) inbox.push([&, t, i] { wrong += ran[t]++ != i; });
  };
  for (int t = 0; t < kThreads; ++t) {
    if (t == kThreads / 2) thread.start();
    std::thread(push_two, t).join();
  }
  std::binary_semaphore done(0);
  boost::asio::post(thread.context(), [&] { done.release(); });
  EXPECT_TRUE(done.try_acquire_for(20s));
  thread.stop();
  thread.join();
  EXPECT_EQ(wrong, 0);
  EXPECT_EQ(ran, std::vector<int>(kThreads, 2)) << "work was lost";
}

}  // namespace
}  // namespace sluice::proxy::upstream
