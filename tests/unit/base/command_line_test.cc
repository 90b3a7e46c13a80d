#include "base/command_line.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <iterator>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace sluice::base {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;
using Words = std::vector<std::string>;

// What a line printed, and how it told the program to end.
struct Answer {
  std::optional<int> end;
  std::string out, err;
};

template <class Body>
Answer captured(const Body& body) {
  testing::internal::CaptureStdout();
  testing::internal::CaptureStderr();
  Answer answer;
  answer.end = body();
  answer.out = testing::internal::GetCapturedStdout();
  answer.err = testing::internal::GetCapturedStderr();
  return answer;
}

Answer parsed(CommandLine& line, const Words& words) {
  return captured([&] { return line.parse(words); });
}

TEST(CommandLineTest, ValuesOfEveryTypeReachTheirTargets) {
  std::string text = "before", untouched = "before";
  int number = 0;
  int64_t wide = 0;
  uint16_t port = 0;
  uint32_t items = 0;
  uint64_t rows = 0;
  double rate = 0;
  Words list;
  std::vector<uint32_t> ids;
  bool on = false;
  CommandLine line("", "program");
  line.option("--text", &text, "");
  line.option("--untouched", &untouched, "");
  line.option("--number", &number, "");
  line.option("--wide", &wide, "");
  line.option("--port", &port, "");
  line.option("--items", &items, "");
  line.option("--rows", &rows, "");
  line.option("--rate", &rate, "");
  line.option("--list", &list, "");
  line.option("ID", &ids, "");
  line.flag("--on", &on, "");
  const char* argv[] = {"program", "--text", "a b", "--number", "-7", "--wide=-9223372036854775808",
                        "--port", "65535", "--items=4294967295", "--rows", "18446744073709551615",
                        "--rate", "0.5", "--list", "x", "y", "--list", "z", "--on", "3", "4"};
  const int argc = static_cast<int>(std::size(argv));
  const Answer answer = captured([&] { return line.parse(argc, argv); });
  EXPECT_EQ(answer.end, std::nullopt) << answer.err;
  EXPECT_EQ(text, "a b");
  EXPECT_EQ(untouched, "before");
  EXPECT_EQ(number, -7);
  EXPECT_EQ(wide, INT64_MIN);
  EXPECT_EQ(port, 65535);
  EXPECT_EQ(items, UINT32_MAX);
  EXPECT_EQ(rows, UINT64_MAX);
  EXPECT_EQ(rate, 0.5);
  EXPECT_THAT(list, ElementsAre("x", "y", "z"));
  EXPECT_THAT(ids, ElementsAre(3, 4));
  EXPECT_TRUE(on);
  EXPECT_TRUE(line.given("--text"));
  EXPECT_FALSE(line.given("--untouched"));
}

TEST(CommandLineTest, ALineThatMeansNothingEndsWith2AndIsExplainedOnStderr) {
  for (const Words& words : {Words{},
                             {"--user"},
                             {"--user", "u", "--nosuch"},
                             {"--user", "u", "word"},
                             {"--user", "u", "--count", "0"},
                             {"--user", "u", "--count", "11"},
                             {"--user", "u", "--count", "x"},
                             {"--user", "u", "--share", "-0.1"},
                             {"--user", "u", "--share", "1.1"},
                             {"--user", "u", "--rows", "-1"},
                             {"--user", "u", "--rows", "10000000001"},
                             {"--user", "u", "--verb", "del"},
                             {"--user", "u", "--folder", "/nosuch"},
                             {"--user", "u", "--folder", "/etc/passwd"},
                             {"--user", "u", "--port", "65536"},
                             {"--user", "u", "--set", "a=1", "b=2"}}) {
    std::string user, verb, folder;
    int count = 0;
    uint16_t port = 0;
    uint64_t rows = 0;
    double share = 0;
    Words sets;
    CommandLine line("", "program");
    line.option("--user", &user, "").required();
    line.option("--count", &count, "").between(1, 10);
    line.option("--share", &share, "").between(0.0, 1.0);
    line.option("--rows", &rows, "").between(uint64_t{0}, uint64_t{10'000'000'000});
    line.option("--verb", &verb, "").one_of({"get", "set"});
    line.option("--folder", &folder, "").existing_folder();
    line.option("--port", &port, "");
    line.option("--set", &sets, "").one_value_each();
    const Answer answer = parsed(line, words);
    EXPECT_EQ(answer.end, 2) << testing::PrintToString(words);
    EXPECT_EQ(answer.out, "");
    EXPECT_THAT(answer.err, HasSubstr("--help"));

    for (const Words& right :
         {Words{"--user", "u", "--count", "1", "--share", "0", "--rows", "0", "--verb", "get"},
          {"--user", "u", "--count", "10", "--share", "1", "--rows", "10000000000", "--folder",
           "/tmp", "--port", "65535", "--set", "a=1", "--set", "b=2"}}) {
      EXPECT_EQ(parsed(line, right).end, std::nullopt) << testing::PrintToString(right);
    }
  }
}

TEST(CommandLineTest, TheSecondNameOfAFlagMakesItFalse) {
  for (const auto& [words, expected] :
       {std::pair(Words{}, true), {{"--no-create"}, false}, {{"--no-create", "--create"}, true}}) {
    bool create = true;
    CommandLine line("", "program");
    line.flag("--create,!--no-create", &create, "");
    EXPECT_EQ(parsed(line, words).end, std::nullopt);
    EXPECT_EQ(create, expected) << testing::PrintToString(words);
  }
}

TEST(CommandLineTest, AnActionRunsBeforeTheOptionsThatWereAddedAfterIt) {
  int rounds = 5;
  CommandLine line("", "program");
  line.flag(
      "--quick", [&] { rounds = 1; }, "");
  line.option("--rounds", &rounds, "");
  EXPECT_EQ(parsed(line, {"--rounds", "7", "--quick"}).end, std::nullopt);
  EXPECT_EQ(rounds, 7);
  EXPECT_EQ(parsed(line, {"--quick"}).end, std::nullopt);
  EXPECT_EQ(rounds, 1);
}

TEST(CommandLineTest, HelpAndVersionArePrintedAndEndWith0) {
  std::string config, folder = "/var/tmp";
  int count = 7654;
  CommandLine line("What it is for.", "program");
  line.option("--config", &config, "the file").type_name("FILE").required();
  line.option("--count", &count, "how many").between(1, 9999).show_default();
  line.option("--folder", &folder, "where").existing_folder();
  line.version_flag();
  line.footer("Last words.");
  const Answer help = parsed(line, {"--help"});
  EXPECT_EQ(help.end, 0);
  EXPECT_EQ(help.err, "");
  // The rest of the layout differs between versions of CLI11.
  for (const char* part : {"What it is for.", "Usage: program [OPTIONS]", "--config FILE REQUIRED",
                           "INT in [1 - 9999]", "7654", "Last words.\n"}) {
    EXPECT_THAT(help.out, HasSubstr(part));
  }
  EXPECT_THAT(help.out, Not(HasSubstr("/var/tmp")));

  const Answer version = parsed(line, {"--version"});
  EXPECT_EQ(version.end, 0);
  EXPECT_EQ(version.out, "program " SLUICE_VERSION "\n");
}

class CommandsTest : public testing::Test {
 protected:
  CommandsTest() {
    CommandLine& sell = line_.command("sell", "sells");
    sell.option("--stock", &stock_, "units").required();
    sell.does([this] { return stock_ > 0 ? 0 : 1; });
    line_.command("stop", "stops").does([] { return 7; });
    line_.forwarding_command("journal", "looks at it", [this](std::span<const std::string> words) {
      forwarded_.assign(words.begin(), words.end());
      return 3;
    });
  }

  Answer run(const Words& words) {
    return captured([&] { return line_.run(words); });
  }

  CommandLine line_{"", "program"};
  int stock_ = -1;
  Words forwarded_;
};

TEST_F(CommandsTest, RunReturnsWhatTheCommandDoes) {
  EXPECT_EQ(run({"sell", "--stock", "5"}).end, 0);
  EXPECT_EQ(stock_, 5);
  EXPECT_EQ(run({"sell", "--stock", "0"}).end, 1);
  EXPECT_EQ(run({"stop"}).end, 7);
}

TEST_F(CommandsTest, ExactlyOneCommandIsWanted) {
  for (const Words& words :
       {Words{}, {"nosuch"}, {"sell"}, {"sell", "--stock", "1", "stop"}, {"stop", "stop"}}) {
    const Answer answer = run(words);
    EXPECT_EQ(answer.end, 2) << testing::PrintToString(words);
    EXPECT_NE(answer.err, "");
  }
}

TEST_F(CommandsTest, EachHasAHelpOfItsOwn) {
  const Answer all = run({"--help"});
  EXPECT_EQ(all.end, 0);
  EXPECT_THAT(all.out, HasSubstr("looks at it"));
  EXPECT_THAT(all.out, Not(HasSubstr("--stock")));
  const Answer sell = run({"sell", "--help"});
  EXPECT_EQ(sell.end, 0);
  EXPECT_THAT(sell.out, HasSubstr("--stock"));
  EXPECT_EQ(stock_, -1);
}

TEST_F(CommandsTest, AForwardingCommandGetsItsWordsAsTheyAre) {
  const Answer answer = run({"journal", "dump", "--help", "--stock", "sell"});
  EXPECT_EQ(answer.end, 3);
  EXPECT_EQ(answer.out + answer.err, "");
  EXPECT_THAT(forwarded_, ElementsAre("dump", "--help", "--stock", "sell"));
}

TEST_F(CommandsTest, DescribesItselfAndAllThatIsBelow) {
  const Answer answer = run({CommandLine::kDescribe});
  EXPECT_EQ(answer.end, 0);
  EXPECT_THAT(answer.out, HasSubstr("subcommand\tsell\t"));
  EXPECT_THAT(answer.out, HasSubstr(" sell\t"));
  EXPECT_THAT(answer.out, HasSubstr("option\t--stock\tINT"));
  // One that parses for itself is asked to describe itself.
  EXPECT_THAT(forwarded_, ElementsAre(CommandLine::kDescribe));
  EXPECT_EQ(stock_, -1);
}

}  // namespace
}  // namespace sluice::base
