#include "proxy/front/users.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "proxy/front/glob.h"

namespace sluice::proxy::front {
namespace {

constexpr std::string_view kSecret =
    "2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b";  // of "secret"

std::string shown(const std::string& line) {
  const auto users = Users::parse(line, "users.acl");
  if (!users) return users.error().message();
  return describe(**std::find_if(users->all().begin(), users->all().end(),
                                 [](const UserPtr& user) { return user->name != "default"; }));
}

TEST(Users, AreShownAsRedisShowsThem) {
  const std::string secret(kSecret);
  EXPECT_EQ(shown("user a on >secret +@read -get +config|get ~app:* %R~ro:* &news.*"),
            "user a on #" + secret +
                " ~app:* %R~ro:* resetchannels &news.* -@all +@read -get +config|get");
  EXPECT_EQ(shown("user s on nopass +get ~a* (+set ~b*) (%W~c:* +del)"),
            "user s on nopass ~a* resetchannels -@all +get (~b* resetchannels -@all +set) "
            "(%W~c:* resetchannels -@all +del)");
  EXPECT_EQ(shown("user a reset on >secret"),
            "user a on sanitize-payload #" + secret + " resetchannels -@all");
  EXPECT_EQ(shown("USER c skip-sanitize-payload ON nopass %r~a %w~a  %W~b nocommands allchannels"),
            "user c on nopass skip-sanitize-payload ~a %W~b &* -@all");
  EXPECT_EQ(shown("user a"), "user a off resetchannels -@all");
}

TEST(Users, CategoriesAreTakenByTheirFormBecauseNoRedisWasAskedYet) {
  EXPECT_TRUE(shown("user a +@Nothing -@search +@my-module_2").ends_with(
      "-@all +@nothing -@search +@my-module_2"));
}

TEST(Users, DatabasesAreKeptInOrderAndTheLaterRuleHolds) {
  EXPECT_EQ(shown("user a ~x db=3,1,3"), "user a off ~x resetchannels db=1,3 -@all");
  EXPECT_EQ(shown("user a DB=0,2147483647"),
            "user a off resetchannels db=0,2147483647 -@all");
  EXPECT_EQ(shown("user a db=1 db=2"), "user a off resetchannels db=2 -@all");
  EXPECT_EQ(shown("user a db=1 resetdbs"), "user a off resetchannels resetdbs -@all");
  EXPECT_EQ(shown("user a db=1 ALLDBS"), "user a off resetchannels -@all");
  EXPECT_EQ(shown("user a db=1 reset"), "user a off sanitize-payload resetchannels -@all");
  EXPECT_EQ(shown("user a (db=1 +get ~*)"),
            "user a off resetchannels -@all (~* resetchannels db=1 -@all +get)");
}

TEST(Users, AreShownWithTheFlagsThatTheServerShows) {
  const auto users = Users::parse("user a\nuser b skip-sanitize-payload", "f");
  const User &plain = *users->find("a"), &skips = *users->find("b");
  EXPECT_EQ(describe(plain, Sanitize::kAsWritten), "user a off resetchannels -@all");
  EXPECT_EQ(describe(plain, Sanitize::kAlways), "user a off sanitize-payload resetchannels -@all");
  EXPECT_EQ(describe(plain, Sanitize::kNever), "user a off resetchannels -@all");
  EXPECT_EQ(describe(skips, Sanitize::kAlways),
            "user b off skip-sanitize-payload resetchannels -@all");
  EXPECT_EQ(describe(skips, Sanitize::kNever), "user b off resetchannels -@all");
}

TEST(Users, ALaterRuleMakesEarlierOnesOnTheSameCommandVoid) {
  EXPECT_TRUE(shown("user a +get +@read -get").ends_with("-@all +@read -get"));
  EXPECT_TRUE(shown("user a +config|get +config|set -config").ends_with("-@all -config"));
  EXPECT_TRUE(shown("user a +get -@read +@all").ends_with(" +@all"));
  EXPECT_TRUE(shown("user a +@all nocommands").ends_with(" -@all"));
  EXPECT_TRUE(shown("user a +GET +@READ").ends_with("-@all +get +@read"));
}

TEST(Users, PasswordsAreAddedAndTakenAway) {
  const std::string secret(kSecret);
  EXPECT_EQ(shown("user a >x >secret <x"), "user a off #" + secret + " resetchannels -@all");
  EXPECT_EQ(shown("user a >secret >secret"), "user a off #" + secret + " resetchannels -@all");
  EXPECT_EQ(shown("user a >secret !" + secret), "user a off resetchannels -@all");
  EXPECT_EQ(shown("user a >secret nopass"), "user a off nopass resetchannels -@all");
  EXPECT_EQ(shown("user a nopass #" + secret), "user a off #" + secret + " resetchannels -@all");
  EXPECT_EQ(shown("user a >secret resetpass"), "user a off resetchannels -@all");
}

TEST(Users, WhatIsDescribedIsReadBackTheSame) {
  for (const char* line : {"user a on >secret +@read -get +config|get ~app:* %R~ro:* &news.*",
                           "user s on nopass +get ~a* (+set ~b*) (%W~c:* +del &x)",
                           "user b reset on allkeys allchannels +@all -@dangerous +select|0",
                           "user d on ~* db=0,7 +get (resetdbs +set)"}) {
    const std::string once = shown(line);
    EXPECT_EQ(shown(once), once);
  }
}

TEST(Users, LinesMayBeEmptyCommentsOrEndAsOnWindows) {
  const auto users = Users::parse("# who may do what\n\n  \t\r\nuser a on nopass\r\n", "f");
  ASSERT_TRUE(users);
  EXPECT_EQ(users->all().size(), 2u);
  EXPECT_TRUE(users->find("a")->no_password);
  EXPECT_EQ(users->find("A"), nullptr);
}

TEST(Users, ADefaultUserThatIsNotDefinedIsOff) {
  const auto users = Users::parse("", "f");
  ASSERT_TRUE(users);
  EXPECT_FALSE(users->default_user()->enabled);
  EXPECT_FALSE(users->default_user()->no_password);
}

TEST(Users, AnErrorNamesFileLineAndWord) {
  const auto second = Users::parse("user a on\nuser b on +get +@no:thing\n", "users.acl");
  ASSERT_FALSE(second);
  EXPECT_TRUE(second.error().message().starts_with(
      "users.acl:2: word 5 \"+@no:thing\" names no category;"))
      << second.error().message();
  EXPECT_EQ(shown("user a\nuser a"),
            "users.acl:2: this user is defined twice; keep one of the lines");
  EXPECT_EQ(shown("usr a").substr(0, 38), "users.acl:1: a line begins with \"user\"");
}

TEST(Users, AnErrorNeverShowsWhatMayBeAPassword) {
  for (const char* line : {"user a on hunter2", "user a on #hunter2", "user a on <hunter2",
                           "user a on !hunter2", "user a (hunter2)", "user a (+get hunter2"}) {
    const std::string message = shown(line);
    EXPECT_TRUE(message.starts_with("users.acl:1: word ")) << message;
    EXPECT_EQ(message.find("hunter2"), message.npos) << message;
  }
}

TEST(Users, MalformedRulesAreRefused) {
  for (const char* rule :
       {"++get",  "+a:b",  "~* ~a",   "allkeys %R~a", "&* &a",      "%~a",   "%X~a",          "%R",
        "%RR~a",  "+",     "-",       "+|",           "+config|",   "+|get", "+config|get|x", "+@",
        "+@a|b", "+@@a",
        "(",     "(+get",   "((+get))",     "(+get ~x))", "(on)",  "(>p)",          "x",
        "#0",     "nopas", "~a\001 x", "db=", "db=a", "db=-1", "db=1,", "db=,1", "db=1,,2",
        "db=2147483648", "db= 1", "DB", "alldb", "resetdbs=1"}) {
    const auto users = Users::parse(std::string("user a ") + rule, "f");
    EXPECT_FALSE(users) << rule;
  }
  const std::string upper = "#" + std::string(64, 'A'), long_hash = "#" + std::string(65, 'a');
  EXPECT_FALSE(Users::parse("user a " + upper, "f"));
  EXPECT_FALSE(Users::parse("user a " + long_hash, "f"));
  EXPECT_TRUE(Users::parse("user a #" + std::string(64, 'a'), "f"));
}

TEST(Users, AnyBytesAreReadOrRefusedButNeverTrusted) {
  std::string text;
  for (int byte = 0; byte < 256; ++byte) {
    text = "user a on ~k";
    text += static_cast<char>(byte);
    text += "x +get";
    const auto users = Users::parse(text, "f");
    if (users) {
      EXPECT_TRUE(Users::parse(describe(*users->find("a")), "f")) << byte;
    }
  }
  EXPECT_FALSE(Users::parse(std::string("user a on ~k\0x", 14), "f"));
}

TEST(Users, OnlyWhoMayDoEverythingAllowsEverything) {
  const auto all = [](const std::string& rules) {
    return Users::parse("user a " + rules, "f")->find("a")->allows_everything();
  };
  EXPECT_TRUE(all("on +@all ~* &*"));
  EXPECT_TRUE(all("on (+@all ~* &*)"));
  EXPECT_TRUE(all("-get +@all ~x allkeys allchannels"));
  EXPECT_FALSE(all("+@all ~*"));
  EXPECT_FALSE(all("+@all &*"));
  EXPECT_FALSE(all("~* &*"));
  EXPECT_FALSE(all("+@all -get ~* &*"));
  EXPECT_FALSE(all("+@all ~* &* db=0"));
  EXPECT_TRUE(all("+@all ~* &* db=0 alldbs"));
  EXPECT_FALSE(all("+@all %RW~* &* (~* &*)"));
}

TEST(Glob, MatchesAsRedisDoes) {
  EXPECT_TRUE(glob_matches("a*b?c", "axxbyc"));
  EXPECT_FALSE(glob_matches("A", "a"));
  EXPECT_TRUE(glob_matches_ignoring_case("A[B-C]", "aC"));
  EXPECT_TRUE(glob_matches("[a-c]x", "bx"));
  EXPECT_TRUE(glob_matches("[c-a]x", "bx"));
  EXPECT_FALSE(glob_matches("[^a-c]x", "bx"));
  EXPECT_TRUE(glob_matches("[\\]]", "]"));
  EXPECT_TRUE(glob_matches("[abc", "c"));
  EXPECT_TRUE(glob_matches("\\*", "*"));
  EXPECT_FALSE(glob_matches("\\*", "x"));
  EXPECT_TRUE(glob_matches("a\\", "a\\"));
  EXPECT_TRUE(glob_matches("", ""));
  EXPECT_FALSE(glob_matches("", "a"));
  EXPECT_FALSE(glob_matches("a", ""));
  EXPECT_TRUE(glob_matches("**", ""));
}

// Backtracking over every star would take for ever.
TEST(Glob, ManyStarsAreNoTrap) {
  std::string pattern;
  for (int i = 0; i < 1000; ++i) pattern += "a*";
  EXPECT_FALSE(glob_matches(pattern + "b", std::string(20'000, 'a')));
}

}  // namespace
}  // namespace sluice::proxy::front
