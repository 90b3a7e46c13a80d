// The end of an I/O thread's turn: what is done in it, and in which order.
#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <utility>

#include "proxy/upstream/io_thread.h"

namespace sluice::proxy::upstream {
namespace {

// Writes its name down when its turn has ended, then does something.
class Task final : public TurnTask {
 public:
  Task(std::string& story, char name, TurnPhase phase)
      : TurnTask(phase), story_(story), name_(name) {}
  void turn_ended() override {
    story_ += name_;
    std::exchange(then, [] {})();
  }
  std::function<void()> then = [] {};

 private:
  std::string& story_;
  const char name_;
};

class TurnTest : public ::testing::Test {
 protected:
  void run() {
    thread_.context().restart();
    thread_.context().poll();
  }
  IoThread thread_{0};
  std::string story_;
  Task gather_{story_, 'g', TurnPhase::kGather};
  Task request_{story_, 'r', TurnPhase::kRequests};
  Task reply_{story_, 'c', TurnPhase::kReplies};
};

TEST_F(TurnTest, RequestsLeaveBeforeRepliesAndEachOnce) {
  for (int i = 0; i < 2; ++i) {
    thread_.at_turn_end(reply_);
    thread_.at_turn_end(request_);
    thread_.at_turn_end(gather_);
  }
  EXPECT_EQ(story_, "");
  run();
  EXPECT_EQ(story_, "grc");
  run();
  EXPECT_EQ(story_, "grc");
}

TEST_F(TurnTest, WhatGatheringBringsUpIsSentInTheSameTurn) {
  gather_.then = [&] { thread_.at_turn_end(request_); };
  thread_.at_turn_end(reply_);
  thread_.at_turn_end(gather_);
  run();
  EXPECT_EQ(story_, "grc");
}

TEST_F(TurnTest, AnEarlierPhaseWaitsForTheNextTurn) {
  bool between = false;
  reply_.then = [&] {
    thread_.at_turn_end(gather_);
    thread_.at_turn_end(reply_);
    boost::asio::post(thread_.context(), [&] { between = story_ == "c"; });
  };
  thread_.at_turn_end(reply_);
  run();
  EXPECT_EQ(story_, "cgc");
  EXPECT_TRUE(between);
}

TEST_F(TurnTest, WhoIsForgottenIsNotCalledNotEvenInThePhaseUnderWay) {
  Task other(story_, 'o', TurnPhase::kReplies);
  reply_.then = [&] { thread_.forget(other); };
  thread_.at_turn_end(reply_);
  thread_.at_turn_end(other);
  thread_.at_turn_end(request_);
  thread_.forget(request_);
  run();
  EXPECT_EQ(story_, "c");
  thread_.at_turn_end(other);
  run();
  EXPECT_EQ(story_, "co");
}

}  // namespace
}  // namespace sluice::proxy::upstream
