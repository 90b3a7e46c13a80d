#include "proxy/front/patrol.h"

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <vector>

namespace sluice::proxy::front {
namespace {

using namespace std::chrono_literals;

class Watched final : public Patrolled {
 public:
  bool looked_at(int64_t) override {
    ++looks;
    return on_look ? on_look() : true;
  }
  int looks = 0;
  std::function<bool()> on_look;
};

class PatrolTest : public ::testing::Test {
 protected:
  // Until nothing is left to do, or `looks` at `one` have been seen.
  void run_until(const Watched& one, int looks) {
    for (int i = 0; i < 10'000 && one.looks < looks; ++i) thread_.context().run_one_for(10ms);
    EXPECT_GE(one.looks, looks);
  }

  upstream::IoThread thread_{0};
  Patrol patrol_{thread_, 1ms};
};

TEST_F(PatrolTest, WhoHasAReasonIsLookedAtAgainAndAgain) {
  Watched one;
  patrol_.enter(one);
  patrol_.enter(one);  // once is enough
  EXPECT_EQ(one.looks, 0);
  run_until(one, 3);
  patrol_.leave(one);
  const int looks = one.looks;
  thread_.context().run_for(10ms);
  EXPECT_EQ(one.looks, looks);
}

TEST_F(PatrolTest, WithoutAReasonNobodyIsLookedAtAndNoTimerRuns) {
  Watched one;
  one.on_look = [] { return false; };
  patrol_.enter(one);
  run_until(one, 1);
  EXPECT_EQ(thread_.context().run_for(20ms), 0u);
  patrol_.enter(one);
  run_until(one, 2);
}

TEST_F(PatrolTest, EachIsLookedAtOnceARoundHoweverManyLeaveMeanwhile) {
  constexpr size_t kCount = 3 * Patrol::kSessionsATurn + 7;
  std::vector<std::unique_ptr<Watched>> all;
  for (size_t i = 0; i < kCount; ++i) all.push_back(std::make_unique<Watched>());
  for (size_t i = 0; i < kCount; ++i) {
    Watched& one = *all[i];
    if (i % 3 == 0) one.on_look = [] { return false; };
    if (i % 3 == 1) {
      one.on_look = [this, &one] {  // as a session that ends itself
        patrol_.leave(one);
        return true;
      };
    }
    patrol_.enter(one);
  }
  run_until(*all[2], 1);  // far from the end, where a round begins
  for (size_t i = 3; i < kCount; ++i) EXPECT_EQ(all[i]->looks, 1) << i;
  for (const auto& one : all) patrol_.leave(*one);
}

TEST_F(PatrolTest, AnotherMayLeaveWhileOneIsLookedAt) {
  std::vector<std::unique_ptr<Watched>> all;
  for (int i = 0; i < 10; ++i) all.push_back(std::make_unique<Watched>());
  for (auto& one : all) patrol_.enter(*one);
  all[5]->on_look = [&] {
    for (int i : {0, 4, 9}) patrol_.leave(*all[static_cast<size_t>(i)]);
    return true;
  };
  run_until(*all[1], 2);
  EXPECT_EQ(all[0]->looks, 0);
  EXPECT_EQ(all[4]->looks, 0);
  EXPECT_EQ(all[9]->looks, 1);
  for (auto& one : all) patrol_.leave(*one);
}

}  // namespace
}  // namespace sluice::proxy::front
