#include "base/service_manager.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "base/service_pulse.h"
#include "tests/unit/temp_folder.h"

namespace sluice::base {
namespace {

// What a service manager hears.
class Listener {
 public:
  explicit Listener(const std::string& path) : fd_(::socket(AF_UNIX, SOCK_DGRAM, 0)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strncpy(address.sun_path, path.c_str(), sizeof address.sun_path - 1);
    EXPECT_EQ(::bind(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    const timeval patience{5, 0};
    ::setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  }
  ~Listener() { ::close(fd_); }

  // The next datagram; "" after five seconds without one.
  std::string next() {
    char text[1024];
    const ssize_t got = ::recv(fd_, text, sizeof text, 0);
    return got < 0 ? "" : std::string(text, static_cast<size_t>(got));
  }
  bool has_more() {
    char byte = 0;
    return ::recv(fd_, &byte, 1, MSG_DONTWAIT | MSG_PEEK) >= 0;
  }

 private:
  const int fd_;
};

class ServiceManagerTest : public testing::Test {
 protected:
  void SetUp() override { ::setenv("NOTIFY_SOCKET", path_.c_str(), 1); }
  void TearDown() override {
    for (const char* name : {"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"}) ::unsetenv(name);
  }

  const test::TempFolder folder_;
  const std::string path_ = folder_ / "notify";
  Listener listener_{path_};
};

TEST_F(ServiceManagerTest, EachWordIsADatagramOfItsOwn) {
  const auto manager = ServiceManager::from_environment();
  manager.ready();
  EXPECT_EQ(listener_.next(), "READY=1");
  manager.status("selling\nwell");
  EXPECT_EQ(listener_.next(), "STATUS=selling well");
  manager.reloading();
  EXPECT_TRUE(listener_.next().starts_with("RELOADING=1\nMONOTONIC_USEC="));
  manager.stopping();
  EXPECT_EQ(listener_.next(), "STOPPING=1");
  EXPECT_EQ(manager.watchdog_us(), 0);
}

TEST_F(ServiceManagerTest, ChildrenDoNotInheritTheRightToSpeak) {
  ::setenv("WATCHDOG_USEC", "1000", 1);
  EXPECT_TRUE(ServiceManager::from_environment().listens());
  EXPECT_EQ(std::getenv("NOTIFY_SOCKET"), nullptr);
  EXPECT_EQ(std::getenv("WATCHDOG_USEC"), nullptr);
  EXPECT_FALSE(ServiceManager::from_environment().listens());
}

TEST_F(ServiceManagerTest, AWatchdogOfAnotherProcessIsNotFed) {
  ::setenv("WATCHDOG_USEC", "1000", 1);
  ::setenv("WATCHDOG_PID", "1", 1);
  EXPECT_EQ(ServiceManager::from_environment().watchdog_us(), 0);
  ::setenv("WATCHDOG_USEC", "1000", 1);
  ::setenv("WATCHDOG_PID", std::to_string(::getpid()).c_str(), 1);
  ::setenv("NOTIFY_SOCKET", path_.c_str(), 1);
  EXPECT_EQ(ServiceManager::from_environment().watchdog_us(), 1000);
}

TEST_F(ServiceManagerTest, APathThatIsNoneIsNotSpokenTo) {
  for (const std::string& path : {std::string("notify"), std::string("/"), std::string(200, '/')}) {
    ::setenv("NOTIFY_SOCKET", path.c_str(), 1);
    EXPECT_FALSE(ServiceManager::from_environment().listens()) << path;
  }
  ServiceManager("/nobody/listens/there").ready();  // misses it, and that is all
}

TEST_F(ServiceManagerTest, TheWatchdogIsFedByProgressOnly) {
  ::setenv("WATCHDOG_USEC", "40000", 1);
  const auto manager = ServiceManager::from_environment();
  std::atomic<bool> moves{true};
  std::atomic<int> asked{0};
  ServicePulse pulse(manager, {[] { return std::string("selling"); },
                               [&] {
                                 ++asked;
                                 return moves.load();
                               }});
  EXPECT_EQ(listener_.next(), "STATUS=selling");
  for (int i = 0; i < 3; ++i) EXPECT_EQ(listener_.next(), "WATCHDOG=1");
  moves = false;
  for (const int before = asked; asked < before + 2;) ::usleep(1000);  // the last one may be out
  while (listener_.has_more()) listener_.next();
  for (const int before = asked; asked < before + 5;) ::usleep(1000);
  EXPECT_FALSE(listener_.has_more());
  moves = true;
  EXPECT_EQ(listener_.next(), "WATCHDOG=1");
  pulse.stop();
}

}  // namespace
}  // namespace sluice::base
