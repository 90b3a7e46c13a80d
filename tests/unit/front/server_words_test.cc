#include "proxy/front/server_words.h"

#include <gtest/gtest.h>

#include <string_view>
#include <vector>

namespace sluice::proxy::front {
namespace {

using Kind = Verdict::Kind;

upstream::ServerUsers server(bool names_the_user) {
  upstream::ServerUsers users;
  users.names_the_user = names_the_user;
  return users;
}

TEST(ServerWords, ADenialSpeaksOfThisUserOrNamesIt) {
  const auto older = server(false), newer = server(true);
  EXPECT_EQ(denial(older, "ann", {Kind::kCommand}, "config|get"),
            "NOPERM this user has no permissions to run the 'config|get' command");
  EXPECT_EQ(denial(newer, "ann", {Kind::kCommand}, "config|get"),
            "NOPERM User ann has no permissions to run the 'config|get' command");
  EXPECT_EQ(denial(older, "ann", {Kind::kKey, 1}, "get"),
            "NOPERM this user has no permissions to access one of the keys used as arguments");
  EXPECT_EQ(denial(newer, "ann", {Kind::kKey, 1}, "get"), "NOPERM No permissions to access a key");
  EXPECT_EQ(denial(older, "ann", {Kind::kChannel, 1}, "publish"),
            "NOPERM this user has no permissions to access one of the channels used as arguments");
  EXPECT_EQ(denial(newer, "ann", {Kind::kChannel, 1}, "publish"),
            "NOPERM No permissions to access a channel");
  EXPECT_EQ(denial(newer, "ann", {Kind::kDatabase}, "get"),
            "NOPERM No permissions to access database");
  EXPECT_EQ(denial(newer, "ann", {}, "get"), "");
}

TEST(ServerWords, ADryRunTellsWhichArgumentIsDenied) {
  const std::vector<std::string_view> args = {"GET", "k"};
  EXPECT_EQ(dry_run_denial(server(false), "ann", {Kind::kKey, 1}, "get", args),
            "This user has no permissions to access the 'k' key");
  EXPECT_EQ(dry_run_denial(server(true), "ann", {Kind::kKey, 1}, "get", args),
            "User ann has no permissions to access the 'k' key");
  EXPECT_EQ(dry_run_denial(server(true), "ann", {Kind::kDatabase}, "get", args),
            "User ann has no permissions to access database GET");
  EXPECT_EQ(dry_run_denial(server(true), "ann", {Kind::kSortBy, 1}, "sort", args), "");
}

}  // namespace
}  // namespace sluice::proxy::front
