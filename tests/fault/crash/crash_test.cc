// Crashes at every operation of a recorded workload, under each fsync policy and each way in which
// a disk may lose what is not synced. SLUICE_SEED=n repeats the random choices of a run.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <random>

#include "base/clock.h"
#include "checks.h"
#include "crash_state.h"
#include "journal/compactor.h"
#include "workload.h"

namespace sluice::crash {
namespace {

using journal::FsyncPolicy;

constexpr size_t kStatesMin = 10'000;  // of each policy
constexpr size_t kNestedEvery = 997;   // of these states, the restart crashes everywhere
constexpr int64_t kMuchLaterMs = 1'000'000'000;

uint64_t seed() {
  const char* text = std::getenv("SLUICE_SEED");
  return text != nullptr ? std::strtoull(text, nullptr, 10) : 20'261;
}

// What the journal owes if the crash comes when some operations were done.
struct Promise {
  uint64_t after_power_cut = 0;
  uint64_t after_kill = 0;

  void add(const Event& event, FsyncPolicy policy) {
    after_kill = std::max(after_kill, event.sequence);
    if (event.kind == EventKind::kAcknowledged && policy != FsyncPolicy::kAlways) return;
    after_power_cut = std::max(after_power_cut, event.sequence);
  }
  uint64_t of(Loss loss) const { return loss == Loss::kKill ? after_kill : after_power_cut; }
};

class CrashTest : public testing::Test {
 protected:
  void crash_everywhere(FsyncPolicy policy, const char* name);
  void crash(const Disk& disk, Loss loss, uint64_t promised, const Submitted& submitted);
  void crash_restart(SimFileSystem& fs, uint64_t promised, uint64_t last,
                     const Submitted& submitted);

  std::mt19937_64 random_{seed()};
  size_t states_ = 0;
};

// One state: recovered, then without power again, then started.
void CrashTest::crash(const Disk& disk, Loss loss, uint64_t promised, const Submitted& submitted) {
  SimFileSystem fs(disk.crash(loss, random_));
  ++states_;
  uint64_t last = 0, again = 0;
  ASSERT_EQ(check_recovery(fs, submitted, promised, last), "");
  // What recovery reported is acted upon: it must stay.
  Disk after(fs.base());
  for (const Op& op : fs.ops()) after.apply(op);
  SimFileSystem dropped(after.crash(Loss::kAll, random_));
  ASSERT_EQ(check_recovery(dropped, submitted, last, again), "") << "after recovery";
  ASSERT_EQ(again, last) << "after recovery";
  if (states_ % kNestedEvery == 0) crash_restart(fs, promised, last, submitted);
  if (states_ % 4 == 0) {
    ASSERT_EQ(check_second_start(fs, last), "");
  }
}

// Compacts what was recovered, all of it drained, and crashes at each operation of both.
void CrashTest::crash_restart(SimFileSystem& fs, uint64_t promised, uint64_t last,
                              const Submitted& submitted) {
  const size_t recovery_ops = fs.ops().size();
  journal::Compactor compactor(kDir, fs);
  auto report = compactor.pass(last + 1, base::wall_ms() + kMuchLaterMs, 0);
  ASSERT_TRUE(report.ok()) << report.error().message();
  Disk disk(fs.base());
  for (size_t i = 0; i <= fs.ops().size(); ++i) {
    for (const Loss loss : {Loss::kKill, Loss::kAll, Loss::kSome, Loss::kAfter}) {
      SimFileSystem crashed(disk.crash(loss, random_));
      ++states_;
      uint64_t again = 0;
      ASSERT_EQ(check_recovery(crashed, submitted, i < recovery_ops ? promised : last, again), "")
          << "crash of the restart before operation " << i << "; it recovers up to " << recovery_ops
          << " and compacts up to " << fs.ops().size();
    }
    if (i < fs.ops().size()) disk.apply(fs.ops()[i]);
  }
}

void CrashTest::crash_everywhere(FsyncPolicy policy, const char* name) {
  SimFileSystem fs;
  Workload workload(policy);
  ASSERT_EQ(workload.run(fs, 2, 250), "");
  const std::vector<Op>& ops = fs.ops();
  const size_t random_states = std::max<size_t>(2, kStatesMin / ops.size());
  Disk disk(fs.base());
  Promise promise;
  auto event = fs.events().begin();
  for (size_t i = 0; i <= ops.size(); ++i) {
    for (; event != fs.events().end() && event->ops <= i; ++event) promise.add(*event, policy);
    std::vector<Loss> losses = {Loss::kKill, Loss::kAll, Loss::kNone};
    for (size_t n = 0; n < random_states; ++n) {
      losses.push_back(n % 3 == 2 ? Loss::kAfter : Loss::kSome);
    }
    for (const Loss loss : losses) {
      crash(disk, loss, promise.of(loss), workload.submitted());
      ASSERT_FALSE(HasFatalFailure())
          << "policy " << name << ", crash before operation " << i << " of " << ops.size()
          << ", loss " << static_cast<int>(loss) << ", seed " << seed();
    }
    if (i < ops.size()) disk.apply(ops[i]);
  }
  std::printf("policy %s: %zu crash states over %zu operations, seed %llu\n", name, states_,
              ops.size(), static_cast<unsigned long long>(seed()));
  EXPECT_GE(states_, kStatesMin);
}

TEST_F(CrashTest, NothingAcknowledgedIsLostWithFsyncAlways) {
  crash_everywhere(FsyncPolicy::kAlways, "always");
}
TEST_F(CrashTest, NothingSyncedIsLostWithFsyncEverySecond) {
  crash_everywhere(FsyncPolicy::kEverySecond, "everysec");
}
TEST_F(CrashTest, NothingSyncedIsLostWithoutFsync) { crash_everywhere(FsyncPolicy::kNo, "no"); }

}  // namespace
}  // namespace sluice::crash
