#include "resp/reply_scanner.h"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

#include "resp/writer.h"

namespace sluice::resp {
namespace {

const std::vector<std::string> kReplies = {
    "+OK\r\n", "-ERR x\r\n", ":-12\r\n", "$3\r\na\r\n\r\n", "$-1\r\n", "$0\r\n\r\n", "*-1\r\n",
    "*0\r\n", "*2\r\n$1\r\na\r\n*2\r\n:1\r\n*0\r\n", "_\r\n", "#t\r\n", ",1.5e3\r\n", ",inf\r\n",
    "(123456789012345678901234567890\r\n", "!5\r\nERR x\r\n", "=7\r\ntxt:a\nb\r\n",
    "%2\r\n+a\r\n:1\r\n+b\r\n%1\r\n+c\r\n_\r\n", "~2\r\n:1\r\n:2\r\n", "%0\r\n",
    "|1\r\n+ttl\r\n:3\r\n$1\r\nx\r\n", "*2\r\n|1\r\n+a\r\n*1\r\n:1\r\n:5\r\n:6\r\n",
    "$?\r\n;4\r\nHell\r\n;1\r\no\r\n;0\r\n", "*?\r\n:1\r\n*?\r\n.\r\n$1\r\na\r\n.\r\n",
    "%?\r\n+a\r\n*1\r\n:1\r\n.\r\n", "*1\r\n*?\r\n*1\r\n$?\r\n;0\r\n.\r\n", "|0\r\n:1\r\n"};

// Where replies end, told by scanning `bytes` in pieces of `piece` bytes.
std::vector<size_t> ends(std::string_view bytes, size_t piece, size_t replies_max = 1) {
  ReplyScanner scanner;
  std::vector<size_t> found;
  size_t at = 0;
  while (at < bytes.size()) {
    std::string_view chunk = bytes.substr(at, piece);
    while (!chunk.empty()) {
      const auto slice = scanner.scan(chunk, replies_max);
      EXPECT_FALSE(slice.broken) << "at " << at << " of " << bytes;
      if (slice.broken || slice.bytes == 0) return found;
      at += slice.bytes;
      chunk.remove_prefix(slice.bytes);
      for (size_t i = 0; i < slice.replies; ++i) found.push_back(at);
    }
  }
  EXPECT_TRUE(scanner.at_border());
  return found;
}

TEST(ReplyScanner, FindsTheEndOfEveryTypeAtEverySplit) {
  std::string stream;
  std::vector<size_t> expected;
  for (const std::string& reply : kReplies) expected.push_back((stream += reply).size());
  for (size_t piece = 1; piece <= stream.size(); ++piece)
    ASSERT_EQ(ends(stream, piece), expected) << "pieces of " << piece;
}

TEST(ReplyScanner, TakesNoMoreThanTheRepliesAskedFor) {
  ReplyScanner scanner;
  const auto slice = scanner.scan("+a\r\n+b\r\n+c\r\n+d", 2);
  EXPECT_EQ(slice.replies, 2u);
  EXPECT_EQ(slice.bytes, 8u);
}

TEST(ReplyScanner, TellsPushesFromReplies) {
  ReplyScanner scanner;
  const std::string bytes = "+a\r\n>2\r\n+invalidate\r\n*1\r\n$1\r\nk\r\n+b\r\n";
  auto slice = scanner.scan(bytes, 5);
  EXPECT_FALSE(slice.push);
  EXPECT_EQ(slice.bytes, 4u);
  slice = scanner.scan(std::string_view(bytes).substr(4, 10), 5);
  EXPECT_TRUE(slice.push);
  EXPECT_EQ(slice.replies, 0u);
  slice = scanner.scan(std::string_view(bytes).substr(14), 5);
  EXPECT_TRUE(slice.push);
  EXPECT_EQ(slice.replies, 1u);
  slice = scanner.scan(std::string_view(bytes).substr(bytes.size() - 4), 5);
  EXPECT_FALSE(slice.push);
  EXPECT_EQ(slice.replies, 1u);
}

TEST(ReplyScanner, APushWithinAnAggregateIsNoElementUnlessItIsToCount) {
  const std::string bytes =
      "*2\r\n>3\r\n+message\r\n+a\r\n*1\r\n+m\r\n:1\r\n>0\r\n+PONG\r\n+next\r\n";
  for (size_t piece = 1; piece <= bytes.size(); ++piece)
    ASSERT_EQ(ends(bytes, piece), (std::vector<size_t>{bytes.size() - 7, bytes.size()}));
  ReplyScanner counting;
  counting.count_inner_pushes(true);
  EXPECT_EQ(counting.scan(bytes, 1).bytes, bytes.find(">0"));
}

TEST(ReplyScanner, BoundsTheNestingOnBothSides) {
  const auto nested = [](size_t depth) {
    std::string bytes;
    for (size_t i = 0; i < depth; ++i) bytes += "*1\r\n";
    return bytes + ":1\r\n";
  };
  ReplyScanner scanner;
  auto slice = scanner.scan(nested(ReplyScanner::kDepthMax), 1);
  EXPECT_TRUE(slice.replies == 1 && !slice.deep);
  slice = scanner.scan(nested(ReplyScanner::kDepthMax + 1), 1);
  EXPECT_TRUE(slice.replies == 1 && slice.deep);
  slice = scanner.scan("+next\r\n", 1);
  EXPECT_TRUE(slice.replies == 1 && !slice.deep);
}

TEST(ReplyScanner, FindsTheEndOfWhatIsNestedTooDeeply) {
  std::string bytes;
  for (size_t i = 0; i < ReplyScanner::kDepthMax; ++i) bytes += "*2\r\n:0\r\n";
  bytes += "*3\r\n%1\r\n+k\r\n*0\r\n|1\r\n+a\r\n+b\r\n$1\r\nx\r\n*-1\r\n";
  ReplyScanner scanner;
  const auto slice = scanner.scan(bytes + "+next\r\n", 1);
  EXPECT_TRUE(slice.deep && slice.replies == 1);
  EXPECT_EQ(slice.bytes, bytes.size());
}

TEST(ReplyScanner, BreaksOnDepthsWhoseElementsCannotBeCounted) {
  std::string bytes;
  for (size_t i = 0; i < ReplyScanner::kDepthMax; ++i) bytes += "*1\r\n";
  ReplyScanner streamed, large;
  EXPECT_TRUE(streamed.scan(bytes + "*?\r\n", 1).broken);
  for (size_t i = 0; i < 20; ++i) bytes += "*999999999999999999\r\n";
  EXPECT_TRUE(large.scan(bytes, 1).broken);
}

TEST(ReplyScanner, KnowsWhatIsNotTheProtocol) {
  for (const char* bytes : {"x", "HTTP/1.1 200 OK\r\n", "*a\r\n", "$\r\n", ".\r\n", ";1\r\na\r\n",
                            "$?\r\n+a\r\n", "*1\r\n.\r\n", "$1234567890123456789\r\n"}) {
    ReplyScanner scanner;
    EXPECT_TRUE(scanner.scan(bytes, 1).broken) << bytes;
  }
}

TEST(ReplyScanner, RandomStreamsInRandomPiecesEndWhereTheyShould) {
  const auto seed = std::random_device{}();
  std::mt19937 random(seed);
  for (int round = 0; round < 500; ++round) {
    std::string stream;
    std::vector<size_t> expected;
    for (int i = 0; i < 50; ++i)
      expected.push_back((stream += kReplies[random() % kReplies.size()]).size());
    ASSERT_EQ(ends(stream, 1 + random() % 70), expected) << "seed " << seed;
  }
}

TEST(Writer, AnErrorTextCannotForgeAReply) {
  std::string out;
  append_error(out, "ERR a\r\n+OK");
  EXPECT_EQ(out, "-ERR a  +OK\r\n");
}

TEST(Writer, WritesBothVersions) {
  std::string two, three;
  for (int version : {2, 3}) {
    std::string& out = version == 2 ? two : three;
    append_null(out, version);
    append_map_header(out, 2, version);
    append_verbatim(out, "ab", version);
  }
  EXPECT_EQ(two, "$-1\r\n*4\r\n$2\r\nab\r\n");
  EXPECT_EQ(three, "_\r\n%2\r\n=6\r\ntxt:ab\r\n");
}

}  // namespace
}  // namespace sluice::resp
