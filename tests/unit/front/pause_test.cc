#include "proxy/front/pause.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace sluice::proxy::front {
namespace {

using Words = std::vector<std::string_view>;

// As a server tells it: name, arity, flags, three numbers, categories, tips, keys, subcommands.
std::string command_reply(const std::string& name, const std::string& flag,
                          const std::string& subcommands = "*0\r\n") {
  return "*10\r\n$" + std::to_string(name.size()) + "\r\n" + name + "\r\n:-1\r\n*1\r\n+" + flag +
         "\r\n:0\r\n:0\r\n:0\r\n*0\r\n*0\r\n*0\r\n" + subcommands;
}

const upstream::CommandCatalog& known_commands() {
  static const auto parsed = upstream::CommandCatalog::parse(
      "*6\r\n" + command_reply("get", "readonly") + command_reply("set", "write") +
      command_reply("evalsha", "may_replicate") + command_reply("eval_ro", "readonly") +
      command_reply("publish", "may_replicate") +
      command_reply("xgroup", "slow",
                    "*2\r\n" + command_reply("xgroup|create", "write") +
                        command_reply("xgroup|help", "stale")));
  return *parsed;
}

bool holds(Pause& pause, const Words& words, int64_t now_us) {
  return pause.holds(may_write(classify(words[0]), words, &known_commands()), now_us);
}

TEST(Pause, OfWritesHoldsWhatTheServerCallsAWrite) {
  Pause pause;
  pause.begin(Pause::Mode::kWrite, 1000);
  for (const Words& words :
       {Words{"SET", "a", "b"}, {"evalsha", "x", "0"}, {"XGROUP", "create", "s"},
        {"PUBLISH", "c", "m"}, {"SECKILL.BUY", "i", "u"}})
    EXPECT_TRUE(holds(pause, words, 999)) << words[0];
  for (const Words& words : {Words{"GET", "a"}, {"EVAL_RO", "x", "0"}, {"XGROUP", "HELP"},
                             {"SECKILL.STOCK", "i"}, {"nothing"}, {"CLIENT", "UNPAUSE"}})
    EXPECT_FALSE(holds(pause, words, 999)) << words[0];
}

TEST(Pause, OfWritesHoldsEverythingUntilItIsKnownWhatWrites) {
  for (const Words& words : {Words{"GET", "a"}, {"SET", "a", "b"}, {"nothing"}})
    EXPECT_TRUE(may_write(classify(words[0]), words, nullptr)) << words[0];
  for (const Words& words : {Words{"CLIENT", "UNPAUSE"}, {"SECKILL.STOCK", "i"}})
    EXPECT_FALSE(may_write(classify(words[0]), words, nullptr)) << words[0];
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
