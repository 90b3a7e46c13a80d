#include "proxy/front/reply_queue.h"

#include <gtest/gtest.h>

#include <deque>
#include <random>
#include <string>

namespace sluice::proxy::front {
namespace {

TEST(ReplyQueue, PassesForwardedBytesStraightOn) {
  base::Bytes out;
  ReplyQueue queue(out);
  EXPECT_FALSE(queue.add_forwarded(2, false));
  EXPECT_TRUE(queue.add_forwarded(1, false));
  queue.forwarded_bytes("+a\r\n+b", 1);
  EXPECT_EQ(out, "+a\r\n+b");
  EXPECT_EQ(queue.commands(), 2u);
  queue.forwarded_bytes("\r\n+c\r\n", 2);
  EXPECT_EQ(out, "+a\r\n+b\r\n+c\r\n");
  EXPECT_TRUE(queue.empty());
  EXPECT_EQ(queue.commands(), 0u);
}

TEST(ReplyQueue, ALateSaleReplyHoldsBackThoseBehindIt) {
  base::Bytes out;
  ReplyQueue queue(out);
  const uint64_t ticket = queue.add_ticket(false);
  queue.add_forwarded(1, false);
  queue.add_local("+L\r\n", false);
  queue.forwarded_bytes("+F\r\n", 1);
  EXPECT_EQ(out, "");
  EXPECT_EQ(queue.held_bytes(), 8u);
  queue.fill(ticket, "+S\r\n");
  EXPECT_EQ(out, "+S\r\n+F\r\n+L\r\n");
  EXPECT_EQ(queue.held_bytes(), 0u);
  EXPECT_EQ(queue.commands(), 0u);
}

TEST(ReplyQueue, AReplyBegunBehindATicketGoesOnInFrontOfNone) {
  base::Bytes out;
  ReplyQueue queue(out);
  const uint64_t ticket = queue.add_ticket(false);
  queue.add_forwarded(2, false);
  queue.forwarded_bytes("$3\r\na", 0);
  queue.fill(ticket, "+S\r\n");
  EXPECT_EQ(out, "+S\r\n$3\r\na");
  queue.forwarded_bytes("bc\r\n", 1);
  queue.forwarded_bytes("+z\r\n", 1);
  EXPECT_EQ(out, "+S\r\n$3\r\nabc\r\n+z\r\n");
}

TEST(ReplyQueue, RewritesAReplyOnlyWhenItIsWhole) {
  base::Bytes out;
  ReplyQueue queue(out);
  queue.add_rewritten([](std::string_view reply) { return "<" + std::string(reply) + ">"; }, false);
  queue.forwarded_bytes("ab", 0);
  EXPECT_EQ(out, "");
  queue.forwarded_bytes("cd", 1);
  EXPECT_EQ(out, "<abcd>");
}

TEST(ReplyQueue, MutedCommandsLeaveNoBytes) {
  base::Bytes out;
  ReplyQueue queue(out);
  queue.add_forwarded(1, true);
  queue.add_local("+L\r\n", true);
  const uint64_t ticket = queue.add_ticket(true);
  EXPECT_FALSE(queue.add_forwarded(1, false));
  queue.forwarded_bytes("+muted\r\n", 1);
  queue.forwarded_bytes("+heard\r\n", 1);
  queue.fill(ticket, "+muted\r\n");
  EXPECT_EQ(out, "+heard\r\n");
}

TEST(ReplyQueue, GivesBackWhatALongPipelineTookAndGoesOn) {
  base::Bytes out;
  ReplyQueue queue(out);
  std::vector<uint64_t> tickets;
  for (int i = 0; i < 10'000; ++i) tickets.push_back(queue.add_ticket(false));
  EXPECT_GT(queue.memory_bytes(), 10'000u);
  for (const uint64_t ticket : tickets) queue.fill(ticket, "+x\r\n");
  queue.shrink();
  EXPECT_EQ(queue.memory_bytes(), 0u);
  out.clear();
  queue.add_forwarded(1, false);
  queue.fill(queue.add_ticket(false), "+b\r\n");
  queue.forwarded_bytes("+a\r\n", 1);
  EXPECT_EQ(out, "+a\r\n+b\r\n");
}

// Forwarded replies in their order and tickets in any: the output is always in command order.
TEST(ReplyQueue, RandomCompletionKeepsTheOrderOfTheCommands) {
  const auto seed = std::random_device{}();
  std::mt19937 random(seed);
  for (int round = 0; round < 300; ++round) {
    base::Bytes out;
    std::string expected;
    ReplyQueue queue(out);
    std::deque<std::string> forwarded;
    std::vector<std::pair<uint64_t, std::string>> tickets;
    for (int i = 0; i < 200; ++i) {
      const std::string reply = "[" + std::to_string(i) + "]";
      switch (random() % 5) {
        case 0:
          queue.add_local(reply, false);
          expected += reply;
          break;
        case 1:
          tickets.emplace_back(queue.add_ticket(false), reply);
          expected += reply;
          break;
        default:
          queue.add_forwarded(1, false);
          forwarded.push_back(reply);
          expected += reply;
      }
      if (random() % 3 == 0 && !forwarded.empty()) {
        queue.forwarded_bytes(forwarded.front().substr(0, 1), 0);
        queue.forwarded_bytes(forwarded.front().substr(1), 1);
        forwarded.pop_front();
      }
      if (random() % 6 == 0 && !tickets.empty()) {
        const size_t which = random() % tickets.size();
        queue.fill(tickets[which].first, tickets[which].second);
        tickets.erase(tickets.begin() + static_cast<ptrdiff_t>(which));
      }
      ASSERT_TRUE(expected.starts_with(std::string_view(out))) << "seed " << seed;
    }
    for (const std::string& reply : forwarded) queue.forwarded_bytes(reply, 1);
    for (const auto& [ticket, reply] : tickets) queue.fill(ticket, reply);
    ASSERT_EQ(out, expected) << "seed " << seed;
    ASSERT_TRUE(queue.empty());
    ASSERT_EQ(queue.commands() + queue.held_bytes(), 0u);
  }
}

}  // namespace
}  // namespace sluice::proxy::front
