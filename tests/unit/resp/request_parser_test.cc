#include "resp/request_parser.h"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

namespace sluice::resp {
namespace {

using State = RequestParser::State;
using Command = std::vector<std::string>;

struct Outcome {
  std::vector<Command> commands;
  std::string error;
  size_t left = 0;  // bytes of an unfinished command
};

// Feeds `bytes` in the given pieces, as a session does: what is not consumed is shown again, at
// another address.
Outcome feed(const std::vector<std::string>& pieces, const RequestLimits& limits = {}) {
  RequestParser parser(limits);
  Outcome outcome;
  std::string buffer;
  for (const std::string& piece : pieces) {
    buffer = std::string(buffer) + piece;
    while (true) {
      const State state = parser.parse(buffer);
      if (state == State::kError) {
        outcome.error = parser.error();
        return outcome;
      }
      if (state == State::kNeedMore) {
        buffer = buffer.substr(parser.drop_skipped());
        break;
      }
      outcome.commands.emplace_back(parser.args().begin(), parser.args().end());
      buffer = buffer.substr(parser.consumed());
      parser.next();
    }
  }
  outcome.left = buffer.size();
  return outcome;
}

Outcome feed_bytewise(const std::string& bytes) {
  std::vector<std::string> pieces;
  for (char c : bytes) pieces.emplace_back(1, c);
  return feed(pieces);
}

const std::string kMixed =
    "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$4\r\na\r\nb\r\n"
    "*0\r\n*-1\r\n\r\nPING\r\n  get \"a b\\x41\\n\" 'it\\'s'\r\n"
    "*1\r\n$0\r\n\r\n*2\r\n$4\r\nECHO\r\n$2\r\nhi\r\n";
const std::vector<Command> kMixedCommands = {
    {"SET", "k", "a\r\nb"}, {"PING"}, {"get", "a bA\n", "it's"}, {""}, {"ECHO", "hi"}};

TEST(RequestParser, ReadsCommandsByteByByte) {
  const Outcome outcome = feed_bytewise(kMixed);
  EXPECT_EQ(outcome.commands, kMixedCommands);
  EXPECT_EQ(outcome.left, 0u);
}

TEST(RequestParser, ReadsTheSameAtEverySplit) {
  for (size_t i = 0; i <= kMixed.size(); ++i) {
    const Outcome outcome = feed({kMixed.substr(0, i), kMixed.substr(i)});
    ASSERT_EQ(outcome.commands, kMixedCommands) << "split at " << i;
  }
}

TEST(RequestParser, TellsTheRawBytesOfACommandWithoutEmptyOnesBefore) {
  const RequestLimits limits;
  RequestParser parser(limits);
  const std::string bytes = "\r\n*0\r\n*1\r\n$4\r\nPING\r\n*1\r\n";
  ASSERT_EQ(parser.parse(bytes), State::kCommand);
  EXPECT_EQ(parser.raw(), "*1\r\n$4\r\nPING\r\n");
  EXPECT_EQ(parser.consumed(), bytes.size() - 4);
  EXPECT_FALSE(parser.is_inline());
}

TEST(RequestParser, EmptyCommandsForEverTakeNoMemory) {
  const RequestLimits limits;
  RequestParser parser(limits);
  const std::string bytes = "\r\n\r\n*0\r\n*2";
  ASSERT_EQ(parser.parse(bytes), State::kNeedMore);
  EXPECT_EQ(parser.drop_skipped(), bytes.size() - 2);
}

TEST(RequestParser, RefusesWithTheWordsOfRedis) {
  const std::pair<const char*, const char*> cases[] = {
      {"*x\r\n", "ERR Protocol error: invalid multibulk length"},
      {"*03\r\n", "ERR Protocol error: invalid multibulk length"},
      {"*2000000000\r\n", "ERR Protocol error: invalid multibulk length"},
      {"*9223372036854775808\r\n", "ERR Protocol error: invalid multibulk length"},
      {"*1\r\nx4\r\n", "ERR Protocol error: expected '$', got 'x'"},
      {"*1\r\n$-5\r\n", "ERR Protocol error: invalid bulk length"},
      {"*1\r\n$05\r\nabcde\r\n", "ERR Protocol error: invalid bulk length"},
      {"*1\r\n$5x\r\nabcde\r\n", "ERR Protocol error: invalid bulk length"},
      {"*1\r\n$1073741824\r\n", "ERR Protocol error: invalid bulk length"},
      {"*1\r\n$99999999999999999999\r\n", "ERR Protocol error: invalid bulk length"},
      {"set a \"b\r\n", "ERR Protocol error: unbalanced quotes in request"},
      {"set a \"b\"c\r\n", "ERR Protocol error: unbalanced quotes in request"},
  };
  for (const auto& [bytes, error] : cases) {
    EXPECT_EQ(feed({bytes}).error, error) << bytes;
    EXPECT_EQ(feed_bytewise(bytes).error, error) << bytes;
  }
}

TEST(RequestParser, LengthsOfOneDigitTwoAndThree) {
  for (const size_t size : {0, 1, 9, 10, 99, 100, 999}) {
    const std::string argument(size, 'a');
    const std::string bytes = "*1\r\n$" + std::to_string(size) + "\r\n" + argument + "\r\n";
    const std::vector<Command> expected = {{argument}};
    EXPECT_EQ(feed({bytes}).commands, expected) << size;
    EXPECT_EQ(feed_bytewise(bytes).commands, expected) << size;
  }
}

TEST(RequestParser, KeepsBothSidesOfEachLimit) {
  RequestLimits limits;
  limits.arguments_max = 3;
  limits.bulk_bytes_max = 5;
  limits.line_bytes_max = 20;
  EXPECT_EQ(feed({"*3\r\n$1\r\na\r\n$1\r\nb\r\n$1\r\nc\r\n"}, limits).commands.size(), 1u);
  EXPECT_NE(feed({"*4\r\n"}, limits).error, "");
  EXPECT_EQ(feed({"*1\r\n$5\r\nabcde\r\n"}, limits).commands.size(), 1u);
  EXPECT_NE(feed({"*1\r\n$6\r\n"}, limits).error, "");
  EXPECT_EQ(feed({std::string(20, 'a') + "\r\n"}, limits).commands.size(), 1u);
  EXPECT_EQ(feed({std::string(20, 'a')}, limits).error, "");
  EXPECT_EQ(feed({std::string(21, 'a')}, limits).error,
            "ERR Protocol error: too big inline request");
  EXPECT_EQ(feed({"*" + std::string(21, '1')}, limits).error,
            "ERR Protocol error: too big mbulk count string");
  EXPECT_EQ(feed({"*1\r\n$" + std::string(21, '1')}, limits).error,
            "ERR Protocol error: too big bulk count string");
}

TEST(RequestParser, ItsLimitsAreNarrowUntilTheLogin) {
  const RequestLimits limits;
  const auto parse = [&](const std::string& bytes, bool authenticated) {
    RequestParser parser(limits);
    parser.set_authenticated(authenticated);
    return parser.parse(bytes) == State::kError ? parser.error() : "";
  };
  const std::string bulk = "*1\r\n$16384\r\n", longer = "*1\r\n$16385\r\n";
  EXPECT_EQ(parse("*10\r\n", false), "");
  EXPECT_EQ(parse("*11\r\n", true), "");
  EXPECT_EQ(parse("*11\r\n", false), "ERR Protocol error: unauthenticated multibulk length");
  EXPECT_EQ(parse(bulk, false), "");
  EXPECT_EQ(parse(longer, true), "");
  EXPECT_EQ(parse(longer, false), "ERR Protocol error: unauthenticated bulk length");
  EXPECT_EQ(parse("*99999999999999999999\r\n", false),
            "ERR Protocol error: invalid multibulk length");
}

TEST(RequestParser, ManyArgumentsTakeMemoryOnlyWhileTheyAreWanted) {
  const RequestLimits limits;
  RequestParser parser(limits);
  EXPECT_EQ(parser.parse("*1000000\r\n"), State::kNeedMore);
  EXPECT_EQ(parser.memory_bytes(), 0u);
  std::string bytes = "*100000\r\n";
  for (int i = 0; i < 100'000; ++i) bytes += "$0\r\n\r\n";
  parser.next();
  ASSERT_EQ(parser.parse(bytes), State::kCommand);
  EXPECT_GE(parser.memory_bytes(), 1'600'000u);
  parser.next();
  EXPECT_EQ(parser.memory_bytes(), 0u);
}

// A line of 64 KiB may hold 32,000 words, of 32 bytes each here: for every idle client, too much.
TEST(RequestParser, ManyInlineArgumentsTakeMemoryOnlyWhileTheyAreWanted) {
  const RequestLimits limits;
  RequestParser parser(limits);
  std::string line;
  for (int i = 0; i < 30'000; ++i) line += "a ";
  line += "\r\n";
  ASSERT_EQ(parser.parse(line), State::kCommand);
  EXPECT_GE(parser.memory_bytes(), 30'000 * sizeof(std::string));
  parser.next();
  EXPECT_EQ(parser.memory_bytes(), 0u);
  ASSERT_EQ(parser.parse("PING\r\n"), State::kCommand);
  parser.next();
  EXPECT_LE(parser.memory_bytes(), 1024u);
}

TEST(RequestParser, StrictIntegersAreThoseOfRedis) {
  int64_t value = 0;
  EXPECT_TRUE(parse_strict_integer("-9223372036854775808", value));
  EXPECT_EQ(value, INT64_MIN);
  EXPECT_TRUE(parse_strict_integer("9223372036854775807", value));
  EXPECT_EQ(value, INT64_MAX);
  for (const char* bad : {"", "-", "-0", "+1", " 1", "1 ", "01", "9223372036854775808",
                          "-9223372036854775809", "1x"})
    EXPECT_FALSE(parse_strict_integer(bad, value)) << bad;
}

TEST(RequestParser, RandomBytesNeverCrashAndSplitsNeverChangeTheOutcome) {
  const auto seed = std::random_device{}();
  std::mt19937 random(seed);
  const std::string alphabet = "*$\r\n0123456789-ab \"'\\x";
  for (int round = 0; round < 20'000; ++round) {
    std::string bytes = round % 2 == 0 ? "*2\r\n$3\r\nGET\r\n" : "";
    for (size_t i = random() % 40; i > 0; --i) bytes += alphabet[random() % alphabet.size()];
    const Outcome whole = feed({bytes});
    const size_t split = bytes.empty() ? 0 : random() % bytes.size();
    const Outcome parts = feed({bytes.substr(0, split), bytes.substr(split)});
    ASSERT_EQ(whole.commands, parts.commands) << "seed " << seed << " bytes " << bytes;
    ASSERT_EQ(whole.error, parts.error) << "seed " << seed << " bytes " << bytes;
  }
}

}  // namespace
}  // namespace sluice::resp
