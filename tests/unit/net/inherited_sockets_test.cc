#include "net/inherited_sockets.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <string>

namespace sluice::net {
namespace {

// What lies from descriptor 3 on belongs to the test program: what it is passed is tested with the
// proxy (tests/system/test_restart.py), here what must not be taken for it.
class InheritedSocketsTest : public testing::Test {
 protected:
  void TearDown() override { clear(); }
  static void pass(const std::string& pid, const char* count) {
    ::setenv("LISTEN_PID", pid.c_str(), 1);
    ::setenv("LISTEN_FDS", count, 1);
    ::setenv("LISTEN_FDNAMES", "clients", 1);
  }
  static void clear() {
    for (const char* name : {"LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"}) ::unsetenv(name);
  }
  const std::string own_pid_ = std::to_string(::getpid());
};

TEST_F(InheritedSocketsTest, NothingPassedIsNoError) {
  clear();
  const auto sockets = take_inherited_sockets();
  ASSERT_TRUE(sockets.ok());
  EXPECT_TRUE(sockets->empty());
}

TEST_F(InheritedSocketsTest, SocketsOfAnotherProcessAreLeftAlone) {
  pass("1", "1");
  const auto sockets = take_inherited_sockets();
  ASSERT_TRUE(sockets.ok());
  EXPECT_TRUE(sockets->empty());
}

TEST_F(InheritedSocketsTest, ChildrenDoNotInheritThem) {
  pass(own_pid_, "0");
  EXPECT_TRUE(take_inherited_sockets().ok());
  EXPECT_EQ(std::getenv("LISTEN_FDS"), nullptr);
  EXPECT_EQ(std::getenv("LISTEN_PID"), nullptr);
}

TEST_F(InheritedSocketsTest, ACountThatIsNoneIsRefused) {
  for (const char* count : {"", "-1", "65", "1x", "99999999999999999999"}) {
    pass(own_pid_, count);
    const auto sockets = take_inherited_sockets();
    ASSERT_FALSE(sockets.ok()) << count;
    EXPECT_EQ(sockets.error().cls(), ErrorClass::kInvalid);
  }
}

TEST_F(InheritedSocketsTest, ADescriptorThatListensForNothingIsRefused) {
  pass(own_pid_, "64");  // some of them are not open
  const auto sockets = take_inherited_sockets();
  ASSERT_FALSE(sockets.ok());
  EXPECT_NE(sockets.error().message().find("descriptor 3"), std::string::npos)
      << sockets.error().message();
}

}  // namespace
}  // namespace sluice::net
