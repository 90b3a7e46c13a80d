// The poller without streams: whom it calls, and when the turn ends.
#include "net/poller.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <boost/asio/post.hpp>
#include <chrono>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

namespace sluice::net {
namespace {

using namespace std::chrono_literals;

// One end of a socket pair in the poller; the other one is `peer`.
class End final : public Pollable {
 public:
  End(Poller& poller, std::function<void(End&)> ready)
      : poller_(poller), ready_function_(std::move(ready)) {
    int sockets[2];
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, sockets), 0);
    fd = sockets[0];
    peer = sockets[1];
    EXPECT_TRUE(poller.add(fd, *this));
  }
  ~End() {
    leave();
    ::close(peer);
  }
  void leave() {
    if (fd < 0) return;
    poller_.remove(*this);
    ::close(std::exchange(fd, -1));
  }
  void send() { EXPECT_EQ(::write(peer, "x", 1), 1); }
  bool readable() const { return (ready_ & kRead) != 0; }
  bool ended() const { return short_reads_lie_; }

  int fd = -1;
  int peer = -1;
  int calls = 0;

 private:
  void socket_ready() override {
    ++calls;
    ready_function_(*this);
  }
  Poller& poller_;
  const std::function<void(End&)> ready_function_;
};

class PollerTest : public ::testing::Test {
 protected:
  void run() {
    context_.restart();
    context_.run_for(20ms);
  }
  boost::asio::io_context context_;
  int turns_ = 0;
  std::function<void()> at_turn_end_ = [] {};
  Poller poller_{context_, [this] {
                   ++turns_;
                   at_turn_end_();
                 }};
};

TEST_F(PollerTest, AllThatAreReadyAreCalledBeforeTheTurnEndsOnce) {
  int calls = 0;
  const auto count = [&](End&) {
    EXPECT_TRUE(poller_.in_turn());
    ++calls;
  };
  End one(poller_, count), two(poller_, count), three(poller_, count);
  run();  // all may be written to
  EXPECT_EQ(calls, 3);
  EXPECT_EQ(turns_, 1);
  one.send();
  two.send();
  at_turn_end_ = [&] {
    EXPECT_FALSE(poller_.in_turn());
    EXPECT_EQ(calls, 5);
  };
  run();
  EXPECT_EQ(calls, 5);
  EXPECT_EQ(turns_, 2);
  EXPECT_TRUE(one.readable() && two.readable());
  EXPECT_FALSE(three.readable());
}

TEST_F(PollerTest, AnEdgeIsToldOnceAndTheNextOneAgain) {
  End end(poller_, [](End&) {});
  end.send();
  run();
  const int calls = end.calls;
  run();
  EXPECT_EQ(end.calls, calls);
  end.send();
  run();
  EXPECT_EQ(end.calls, calls + 1);
}

TEST_F(PollerTest, WhoLeavesIsNotCalledEvenIfItsTurnHasBegun) {
  std::vector<End*> ends;
  const auto others_leave = [&](End& called) {
    for (End* end : ends) {
      if (end != &called) end->leave();
    }
  };
  End one(poller_, others_leave), two(poller_, others_leave);
  ends = {&one, &two};
  run();
  EXPECT_EQ(one.calls + two.calls, 1);
}

TEST_F(PollerTest, CalledSoonIsCalledOnceInTheNextTurnUnlessItLeaves) {
  End stays(poller_, [](End&) {}), leaves(poller_, [](End&) {});
  run();
  const int before = stays.calls, left = leaves.calls;
  poller_.call_soon(stays);
  poller_.call_soon(stays);
  poller_.call_soon(leaves);
  leaves.leave();
  EXPECT_EQ(stays.calls, before);
  run();
  EXPECT_EQ(stays.calls, before + 1);
  EXPECT_EQ(leaves.calls, left);
}

// Who is called again and again lets the others in between.
TEST_F(PollerTest, WhoWantsEachTurnHoldsUpNobody) {
  End greedy(poller_, [&](End& end) { poller_.call_soon(end); });
  End other(poller_, [](End&) {});
  bool posted = false;
  run();
  other.send();
  const int before = other.calls;
  boost::asio::post(context_, [&] { posted = true; });
  run();
  EXPECT_GT(other.calls, before);
  EXPECT_TRUE(posted);
  EXPECT_GT(greedy.calls, 10);
}

TEST_F(PollerTest, TheEndOfThePeerIsReadableAndAShortReadThenNoSign) {
  End end(poller_, [](End&) {});
  run();
  EXPECT_FALSE(end.readable() || end.ended());
  ::shutdown(end.peer, SHUT_WR);
  run();
  EXPECT_TRUE(end.readable() && end.ended());
}

// More of them than one call of the kernel tells.
TEST_F(PollerTest, HundredsAreAllCalled) {
  std::vector<std::unique_ptr<End>> ends;
  for (int i = 0; i < 300; ++i) ends.push_back(std::make_unique<End>(poller_, [](End&) {}));
  run();
  for (auto& end : ends) {
    EXPECT_EQ(end->calls, 1);
    end->send();
  }
  run();
  for (auto& end : ends) EXPECT_TRUE(end->readable());
}

}  // namespace
}  // namespace sluice::net
