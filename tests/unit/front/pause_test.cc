#include "proxy/front/pause.h"

#include <gtest/gtest.h>

#include <vector>

namespace sluice::proxy::front {
namespace {

using Words = std::vector<std::string_view>;

bool holds(Pause& pause, const Words& words, int64_t now_us) {
  return pause.holds(may_write(classify(words[0]), words), now_us);
}

TEST(Pause, OfWritesHoldsWhatRedisCallsAWrite) {
  Pause pause;
  pause.begin(Pause::Mode::kWrite, 1000);
  for (const Words& words :
       {Words{"SET", "a", "b"}, {"evalsha", "x", "0"}, {"XGROUP", "create", "s"},
        {"PUBLISH", "c", "m"}, {"SECKILL.BUY", "i", "u"}, {"function", "LOAD", "x"}})
    EXPECT_TRUE(holds(pause, words, 999)) << words[0];
  for (const Words& words : {Words{"GET", "a"}, {"EVAL_RO", "x", "0"}, {"XGROUP", "HELP"},
                             {"SECKILL.STOCK", "i"}, {"function", "list"}, {"CLIENT", "UNPAUSE"}})
    EXPECT_FALSE(holds(pause, words, 999)) << words[0];
}

TEST(Pause, EndsAtItsTimeAndByUnpause) {
  Pause pause;
  EXPECT_FALSE(pause.active());
  pause.begin(Pause::Mode::kAll, 1000);
  EXPECT_TRUE(holds(pause, {"GET", "a"}, 999));
  EXPECT_FALSE(holds(pause, {"GET", "a"}, 1000));
  EXPECT_FALSE(pause.active());
  pause.begin(Pause::Mode::kAll, 2000);
  pause.end();
  EXPECT_FALSE(pause.active());
}

TEST(Pause, CountsItsEndsSoThatNobodyWaitsForThemOneByOne) {
  Pause pause;
  pause.begin(Pause::Mode::kAll, 1000);
  const uint64_t before = pause.ended(999);
  EXPECT_EQ(pause.ended(999), before);
  EXPECT_EQ(pause.ended(1000), before + 1);
  EXPECT_FALSE(pause.active());
  pause.begin(Pause::Mode::kAll, 2000);
  pause.end();
  pause.begin(Pause::Mode::kWrite, 2000);  // who reads may go on
  EXPECT_EQ(pause.ended(1500), before + 2);
}

TEST(Pause, AnotherMakesItLongerAndStricterOnly) {
  Pause pause;
  pause.begin(Pause::Mode::kAll, 1000);
  pause.begin(Pause::Mode::kWrite, 500);
  EXPECT_TRUE(holds(pause, {"GET", "a"}, 999));
  pause.begin(Pause::Mode::kWrite, 2000);
  EXPECT_TRUE(holds(pause, {"GET", "a"}, 1999));
}

}  // namespace
}  // namespace sluice::proxy::front
