#include "proxy/front/transaction.h"

#include <atomic>
#include <gtest/gtest.h>

namespace sluice::proxy::front {
namespace {

Transaction::Change says(std::string text) {
  return [text = std::move(text)](std::string_view) { return text; };
}

TEST(Transaction, ChangesTheElementsOfItsCommandsOnly) {
  std::atomic<int64_t> shown{-1};
  Transaction transaction(shown);
  transaction.queued(2);
  transaction.queued(says(":7\r\n"), 1);
  transaction.queued(1);
  transaction.queued([](std::string_view element) { return std::string(element) + "+X\r\n"; }, 1);
  const bool muted = false;
  EXPECT_EQ(
      transaction.finish("*5\r\n*2\r\n+a\r\n:1\r\n$2\r\n\r\n\r\n+PONG\r\n-ERR b\r\n+OK\r\n", muted),
      "*5\r\n*2\r\n+a\r\n:1\r\n$2\r\n\r\n\r\n:7\r\n-ERR b\r\n+OK\r\n+X\r\n");
}

TEST(Transaction, APushBetweenElementsIsNone) {
  std::atomic<int64_t> shown{-1};
  Transaction transaction(shown);
  transaction.queued(1);
  transaction.queued(says(":7\r\n"), 1);
  const bool muted = false;
  EXPECT_EQ(transaction.finish("*2\r\n>1\r\n+a\r\n:1\r\n>1\r\n+b\r\n+PONG\r\n", muted),
            "*2\r\n>1\r\n+a\r\n:1\r\n>1\r\n+b\r\n:7\r\n");
}

TEST(Transaction, RunsNothingUnlessRedisRanIt) {
  std::atomic<int64_t> shown{-1};
  Transaction transaction(shown);
  bool ran = false;
  transaction.queued(
      [&](std::string_view) {
        ran = true;
        return std::string();
      },
      1);
  const bool muted = false;
  for (std::string_view reply :
       {"-EXECABORT x\r\n", "*-1\r\n", "_\r\n", "*2\r\n+a\r\n+b\r\n", ""}) {
    EXPECT_EQ(transaction.finish(reply, muted), reply);
    EXPECT_FALSE(ran) << reply;
  }
  EXPECT_EQ(transaction.finish("*1\r\n+PONG\r\n", muted), "*1\r\n");
  EXPECT_TRUE(ran);
}

TEST(Transaction, FallsSilentInItsMidst) {
  std::atomic<int64_t> shown{-1};
  Transaction transaction(shown);
  bool muted = false;
  transaction.queued(1);
  transaction.queued(
      [&](std::string_view) {
        muted = true;
        return std::string();
      },
      1);
  transaction.queued(1);
  EXPECT_EQ(transaction.finish("*3\r\n+a\r\n+PONG\r\n+b\r\n", muted), "*3\r\n+a\r\n");
}

}  // namespace
}  // namespace sluice::proxy::front
