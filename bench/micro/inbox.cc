// Work handed to an I/O thread by other threads: each pushes a burst, waits until it has run, and
// pushes the next. In small bursts it is the wake-up that costs, in large ones the queue.
#include <atomic>
#include <semaphore>
#include <string>
#include <thread>
#include <vector>

#include "bench/micro/suite.h"
#include "proxy/upstream/inbox.h"

namespace sluice::bench::micro {
namespace {

using proxy::upstream::Inbox;
using proxy::upstream::IoThread;

// So many that starting the producers does not count.
constexpr uint64_t kBursts = 500;

// How much of its own work a producer has seen run, and whether in its order. Padded: producers
// must not slow each other down here.
struct alignas(64) Producer {
  uint64_t pushed = 0;
  uint64_t ran = 0;  // the I/O thread's, but for the time between a burst and the next
  bool in_order = true;
  std::binary_semaphore burst_ran{0};
};

void push_bursts(Inbox& inbox, Producer& producer, uint64_t burst) {
  for (uint64_t round = 0; round < kBursts; ++round) {
    const uint64_t last = producer.pushed + burst;
    while (producer.pushed < last) {
      inbox.push([&producer, number = ++producer.pushed] {
        producer.in_order &= ++producer.ran == number;
      });
    }
    inbox.push([&producer] { producer.burst_ran.release(); });
    producer.burst_ran.acquire();
  }
}

void hand_over(benchmark::State& state, size_t producers_count, uint64_t burst) {
  IoThread thread(0);
  Inbox inbox(thread);
  thread.start();
  std::vector<Producer> producers(producers_count);
  for (auto _ : state) {
    std::vector<std::thread> others;
    for (size_t i = 1; i < producers.size(); ++i) {
      others.emplace_back([&, i] { push_bursts(inbox, producers[i], burst); });
    }
    push_bursts(inbox, producers[0], burst);
    for (std::thread& other : others) other.join();
  }
  thread.stop();
  thread.join();
  uint64_t ran = 0;
  for (const Producer& producer : producers) {
    ran += producer.ran;
    expect(state, producer.in_order, "a producer's work ran in another order");
  }
  expect(state, ran == state.iterations() * kBursts * burst * producers_count, "work was lost");
  state.SetItemsProcessed(static_cast<int64_t>(ran));
}

}  // namespace

void add_inbox(const Suite& suite) {
  for (const size_t producers : {1, 2}) {
    for (const uint64_t burst : {1, 16, 512}) {
      suite.add_waiting("inbox/" + std::to_string(producers) + "/" + std::to_string(burst),
                        burst > 16 ? 10 : 40, [producers, burst](benchmark::State& state) {
                          hand_over(state, producers, burst);
                        });
    }
  }
}

}  // namespace sluice::bench::micro
