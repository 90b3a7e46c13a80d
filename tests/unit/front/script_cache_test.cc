#include "proxy/front/script_cache.h"

#include <gtest/gtest.h>

namespace sluice::proxy::front {
namespace {

TEST(ScriptCache, NamesScriptsAsRedisDoes) {
  EXPECT_EQ(sha1_hex("return 1"), "e0e1f9fabfc9d4800c877a703b823ac0578ff8db");
}

TEST(ScriptCache, ForgetsTheLeastRecentlyUsedAtItsBound) {
  ScriptCache cache(3 * 1024);
  const std::string a(768, 'a'), b(768, 'b'), c(768, 'c'), d(768, 'd');
  for (const std::string& body : {a, b, c}) cache.remember(body);
  EXPECT_EQ(cache.bytes(), 3 * 1024u);
  cache.connection_lost();
  EXPECT_NE(cache.find_lost(sha1_hex(a)), nullptr);
  cache.remember(d);
  cache.connection_lost();
  EXPECT_EQ(cache.find_lost(sha1_hex(b)), nullptr);
  for (const std::string& body : {a, c, d}) EXPECT_EQ(*cache.find_lost(sha1_hex(body)), body);
  EXPECT_LE(cache.bytes(), 3 * 1024u);
  cache.remember(std::string(3 * 1024, 'x'));  // larger than all
  EXPECT_NE(cache.find_lost(sha1_hex(a)), nullptr);
}

TEST(ScriptsLoaded, LoadsNothingAsLongAsNoConnectionIsLost) {
  ScriptCache cache(1 << 20);
  ScriptsLoaded here(cache), there(cache);
  const std::string sha = sha1_hex("return 1");
  there.saw_body("return 1");
  EXPECT_EQ(here.to_load(sha, nullptr), nullptr);
  there.connection_lost();
  there.saw_body("return 1");
  here.connection_lost();
  there.saw_body("return 2");
  EXPECT_EQ(here.to_load(sha1_hex("return 2"), nullptr), nullptr);
  EXPECT_NE(here.to_load(sha, nullptr), nullptr);
}

TEST(ScriptsLoaded, LoadsEachOnceForEachConnectionLost) {
  constexpr std::string_view kLoaded = "$40\r\n";

  ScriptCache cache(1 << 20);
  ScriptsLoaded here(cache), there(cache);
  there.saw_body("return 1");
  here.connection_lost();
  std::string sha = sha1_hex("return 1");
  ASSERT_NE(here.to_load(sha, nullptr), nullptr);
  here.load_ended(sha, nullptr, kLoaded);
  EXPECT_EQ(here.to_load(sha, nullptr), nullptr);
  here.connection_lost();
  for (char& c : sha) c = static_cast<char>(std::toupper(c));
  EXPECT_EQ(*here.to_load(sha, nullptr), "return 1");
  EXPECT_EQ(here.to_load("not a sha", nullptr), nullptr);
}

TEST(ScriptsLoaded, ALoadUnderWayHelpsOnItsOwnWayOnly) {
  ScriptCache cache(1 << 20);
  ScriptsLoaded scripts(cache);
  scripts.saw_body("return 1");
  scripts.connection_lost();
  const std::string sha = sha1_hex("return 1");
  const int one_way = 0, other_way = 0;
  EXPECT_NE(scripts.to_load(sha, &one_way), nullptr);
  EXPECT_EQ(scripts.to_load(sha, &one_way), nullptr);
  EXPECT_NE(scripts.to_load(sha, &other_way), nullptr);
  scripts.load_ended(sha, &one_way, "-LOADING Redis is loading the dataset in memory\r\n");
  EXPECT_NE(scripts.to_load(sha, &one_way), nullptr);
  scripts.load_ended(sha, &other_way, "$40\r\n");
  EXPECT_EQ(scripts.to_load(sha, nullptr), nullptr);
}

TEST(ScriptsLoaded, AnEvalThatMayHaveFailedLeavesAnOlderScriptToBeLoaded) {
  ScriptCache cache(1 << 20);
  ScriptsLoaded scripts(cache);
  scripts.saw_body("return 1");
  scripts.connection_lost();
  scripts.saw_body("return 1");  // while Redis was away, or loading
  EXPECT_NE(scripts.to_load(sha1_hex("return 1"), nullptr), nullptr);
}

TEST(ScriptsLoaded, LearnsAnewWhatAnotherThreadFlushed) {
  ScriptCache cache(1 << 20);
  ScriptsLoaded here(cache), there(cache);
  here.saw_body("return 1");
  there.flushed();
  EXPECT_EQ(here.to_load(sha1_hex("return 1"), nullptr), nullptr);
  here.saw_body("return 1");
  there.connection_lost();
  EXPECT_NE(there.to_load(sha1_hex("return 1"), nullptr), nullptr);
}

}  // namespace
}  // namespace sluice::proxy::front
