#include "proxy/front/clients.h"

#include <gtest/gtest.h>

#include <set>
#include <string>
#include <string_view>

namespace sluice::proxy::front {
namespace {

const std::set<std::string, std::less<>> kContainers = {"acl", "client"};

std::string shown(std::string_view name, std::string_view argument) {
  LastCommand last;
  last.set(name, argument);
  return last.text(kContainers);
}

TEST(LastCommand, IsNullBeforeTheFirst) { EXPECT_EQ(LastCommand().text(kContainers), "NULL"); }

TEST(LastCommand, ShowsTheArgumentOfContainersOnly) {
  EXPECT_EQ(shown("CLIENT", "LIST"), "client|list");
  EXPECT_EQ(shown("GET", "key"), "get");
}

// An argument that is not there points nowhere; the sanitizers look.
TEST(LastCommand, WithoutAnArgumentIsTheNameAlone) {
  EXPECT_EQ(shown("PING", {}), "ping");
  EXPECT_EQ(shown("CLIENT", {}), "client");
}

TEST(LastCommand, ForgetsTheLongerOneBefore) {
  LastCommand last;
  last.set("client", "no-evict");
  last.set("acl", "");
  EXPECT_EQ(last.text(kContainers), "acl");
}

TEST(LastCommand, CutsNamesBehind24Bytes) {
  EXPECT_EQ(shown(std::string(24, 'a'), {}), std::string(24, 'a'));
  EXPECT_EQ(shown(std::string(25, 'a'), {}), std::string(24, 'a'));
}

}  // namespace
}  // namespace sluice::proxy::front
