// The queue before the commit thread: order, sleeping and waking, and its end.
#include "journal/batch_queue.h"

#include <gtest/gtest.h>

#include <atomic>
#include <barrier>
#include <chrono>
#include <semaphore>
#include <string>
#include <thread>
#include <vector>

namespace sluice::journal {
namespace {

using namespace std::chrono_literals;

Batch batch_of(std::string records, uint32_t count = 1) {
  Batch batch;
  batch.records = std::move(records);
  batch.count = count;
  return batch;
}

bool push(BatchQueue& queue, std::string records) {
  Batch batch = batch_of(std::move(records));
  return queue.push(batch);
}

TEST(BatchQueueTest, AllThatWaitsIsTakenAtOnceInOrder) {
  BatchQueue queue;
  std::vector<Batch> batches;
  for (const int burst : {1, 31, 32, 33, 1000}) {
    for (int i = 0; i < burst; ++i) ASSERT_TRUE(push(queue, std::to_string(i)));
    const auto taken = queue.take(batches);
    EXPECT_FALSE(taken.signalled || taken.ended);
    ASSERT_EQ(batches.size(), static_cast<size_t>(burst));
    for (int i = 0; i < burst; ++i) EXPECT_EQ(batches[i].records, std::to_string(i));
    batches.clear();
  }
}

TEST(BatchQueueTest, ASignalIsToldOnceAloneOrWithBatches) {
  BatchQueue queue;
  std::vector<Batch> batches;
  queue.signal();
  queue.signal();
  EXPECT_TRUE(queue.take(batches).signalled);
  EXPECT_TRUE(batches.empty());
  queue.signal();
  ASSERT_TRUE(push(queue, "a"));
  EXPECT_TRUE(queue.take(batches).signalled);
  EXPECT_EQ(batches.size(), 1u);
  batches.clear();
  ASSERT_TRUE(push(queue, "b"));
  EXPECT_FALSE(queue.take(batches).signalled);
}

TEST(BatchQueueTest, WhatWasPushedBeforeItClosedIsTakenWhatComesLaterIsLeftToItsOwner) {
  BatchQueue queue;
  ASSERT_TRUE(push(queue, "before"));
  EXPECT_TRUE(queue.close());
  EXPECT_FALSE(queue.close());
  Batch late = batch_of("late");
  EXPECT_FALSE(queue.push(late));
  EXPECT_EQ(late.records, "late");
  std::vector<Batch> batches;
  EXPECT_FALSE(queue.take(batches).ended);
  ASSERT_EQ(batches.size(), 1u);
  EXPECT_EQ(batches[0].records, "before");
  batches.clear();
  queue.signal();
  const auto taken = queue.take(batches);
  EXPECT_TRUE(taken.ended && taken.signalled);
  EXPECT_TRUE(batches.empty());
}

// Takes on a thread of its own, which the destructor ends, and tells of each batch and signal.
class Taker {
 public:
  explicit Taker(BatchQueue& queue) : queue_(queue), thread_([this] { run(); }) {}
  ~Taker() {
    queue_.close();
    thread_.join();
  }
  // By the batches' count.
  std::binary_semaphore of[2] = {std::binary_semaphore(0), std::binary_semaphore(0)};
  std::binary_semaphore signalled{0};

 private:
  void run() {
    std::vector<Batch> batches;
    for (;;) {
      const auto taken = queue_.take(batches);
      if (taken.ended) return;
      for (const Batch& batch : batches) of[batch.count].release();
      if (taken.signalled) signalled.release();
      batches.clear();
    }
  }

  BatchQueue& queue_;
  std::thread thread_;
};

// The pauses are for the reader to fall asleep in: it looks a few times before.
TEST(BatchQueueTest, ASleepingReaderIsWokenByABatchASignalAndTheEnd) {
  BatchQueue queue;
  Taker reader(queue);
  for (int i = 0; i < 20; ++i) {
    std::this_thread::sleep_for(2ms);
    Batch batch = batch_of("", 0);
    ASSERT_TRUE(queue.push(batch));
    ASSERT_TRUE(reader.of[0].try_acquire_for(10s)) << "not woken by a batch";
    std::this_thread::sleep_for(2ms);
    queue.signal();
    ASSERT_TRUE(reader.signalled.try_acquire_for(10s)) << "not woken by a signal";
  }
  std::this_thread::sleep_for(2ms);
}

// In each round the threads push one batch each, at about the same time, and no more until both are
// taken: a wake-up that one loses is not made good by the next push.
TEST(BatchQueueTest, NoWakeUpIsLost) {
  constexpr int kThreads = 2, kRounds = 5'000;
  BatchQueue queue;
  Taker reader(queue);
  std::atomic<int> lost{0};
  std::barrier round(kThreads);
  std::vector<std::thread> threads;
  for (uint32_t t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < kRounds && lost == 0; ++i) {
        round.arrive_and_wait();
        Batch batch = batch_of("", t);
        queue.push(batch);
        if (!reader.of[t].try_acquire_for(10s)) ++lost;
      }
      round.arrive_and_drop();
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(lost, 0);
}

TEST(BatchQueueTest, EachThreadsBatchesAreTakenInItsOrderAndAllOfThem) {
  constexpr int kThreads = 4, kEach = 10'000;
  BatchQueue queue;
  std::vector<int> taken(kThreads);
  int wrong = 0;
  std::thread reader([&] {
    std::vector<Batch> batches;
    while (!queue.take(batches).ended) {
      for (const Batch& batch : batches) {
        wrong += std::stoi(batch.records) != taken[batch.count]++;
      }
      batches.clear();
    }
  });
  std::vector<std::thread> threads;
  for (uint32_t t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < kEach; ++i) {
        Batch batch = batch_of(std::to_string(i), t);
        queue.push(batch);
        if (i % (7 + t) == 0) std::this_thread::yield();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  queue.close();
  reader.join();
  EXPECT_EQ(wrong, 0);
  EXPECT_EQ(taken, std::vector<int>(kThreads, kEach));
}

}  // namespace
}  // namespace sluice::journal
