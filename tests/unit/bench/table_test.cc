// The table's arithmetic and its text; its runs are `make bench-quick`.
#include "bench/table/table.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <boost/json.hpp>
#include <set>
#include <sstream>
#include <string>

#include "bench/samples.h"
#include "bench/table/table_report.h"
#include "bench/zipf.h"

namespace sluice::bench::table {
namespace {

Goal times(double figure, double reference, double wanted) {
  Goal goal{"purchases/s"};
  goal.figure = figure;
  goal.reference = "do it yourself";
  goal.reference_value = reference;
  goal.wanted = wanted;
  return goal;
}

TEST(Goal, OfARatioIsReachedFromTheWantedRatioOn) {
  EXPECT_TRUE(times(200, 100, 2).reached());
  EXPECT_FALSE(times(199, 100, 2).reached());
  EXPECT_DOUBLE_EQ(times(150, 100, 2).ratio(), 1.5);
  EXPECT_EQ(times(150, 100, 2).wanted_text(), ">= 2.00 x do it yourself");
}

TEST(Goal, OfACostIsReachedUpToTheWantedRatio) {
  Goal goal = times(33, 100, 0.33);
  goal.at_most = true;
  EXPECT_TRUE(goal.reached());
  goal.figure = 34;
  EXPECT_FALSE(goal.reached());
}

TEST(Goal, WithoutAReferenceIsAbsolute) {
  Goal goal{"refusals/s"};
  goal.wanted = 1'000'000;
  goal.figure = 999'999;
  EXPECT_FALSE(goal.reached());
  goal.figure = 1'000'000;
  EXPECT_TRUE(goal.reached());
  EXPECT_EQ(goal.wanted_text(), ">= 1,000,000 /s");
  Goal tail{"p99.9", Unit::kMilliseconds};
  tail.wanted = 5;
  tail.at_most = true;
  tail.figure = 5;
  EXPECT_TRUE(tail.reached());
  tail.figure = 5.01;
  EXPECT_FALSE(tail.reached());
  EXPECT_EQ(tail.wanted_text(), "<= 5.00 ms");
}

TEST(Goal, ThatWasNotMeasuredIsNotReached) {
  Goal goal = times(200, 100, 2);
  goal.missing = "twemproxy is not installed";
  EXPECT_FALSE(goal.reached());
  EXPECT_EQ(times(1, 0, 2).ratio(), 0) << "nothing to compare with";
  goal = times(1, -5, 1);
  goal.at_most = true;
  EXPECT_FALSE(goal.reached()) << "a ratio to nothing is no small ratio";
}

TableResult some_result() {
  TableResult result;
  result.rounds = 5;
  result.goals = {times(150'000, 100'000, 2), times(300'000, 100'000, 2)};
  result.goals.push_back(times(0, 0, 1.1));
  result.goals.back().missing = "no twemproxy here";
  result.sections = {{"Pass-through",
                      {"SET x 1", "GET x 1", "SET x 16", "GET x 16"},
                      {{"Redis direct", {"159,425", "168,494", "1,435,911", "1,583,341"}}}},
                     {"Drain", {"rows /s"}, {{"a row with a name of usual length", {"222,000"}}}}};
  return result;
}

TEST(TableReport, ShowsEveryGoalWithFigureRatioAndVerdictInAHundredColumns) {
  const std::string text = table_text(some_result());
  for (const char* part : {"150,000 /s", "1.50", "MISSED", "3.00", "reached", "1 of 3 reached",
                           "not measured: no twemproxy here", "1,583,341", "222,000"}) {
    EXPECT_NE(text.find(part), std::string::npos) << part << " is not in\n" << text;
  }
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) EXPECT_LE(line.size(), 100u) << line;
}

TEST(TableReport, WarnsOfWhatMakesFiguresWorthless) {
  TableResult result = some_result();
  EXPECT_EQ(table_text(result).find("WARNING"), std::string::npos);
  EXPECT_EQ(table_text(result).find("ROUGH"), std::string::npos);
  EXPECT_EQ(table_text(result).find("Checked"), std::string::npos) << "nothing was checked";
  result.machine.in_memory = true;
  EXPECT_NE(table_text(result).find("WARNING: the data folder is in memory"), std::string::npos);
  result.machine.in_memory = false;
  result.machine.busy_cores = 1.2;
  EXPECT_NE(table_text(result).find("1.2 cores busy"), std::string::npos);
  result.rounds = 4;
  EXPECT_NE(table_text(result).find("ROUGH: 4 round"), std::string::npos);
}

TEST(TableReport, MarkdownRowsHaveAsManyCellsAsTheirHeads) {
  const std::string text = table_markdown(some_result());
  EXPECT_NE(text.find("| purchases/s | >= 2.00 x do it yourself | 150,000 /s | 1.50 | missed |"),
            std::string::npos)
      << text;
  std::istringstream lines(text);
  std::ptrdiff_t bars = 0;  // of the table that the line belongs to
  for (std::string line; std::getline(lines, line);) {
    const auto count = std::count(line.begin(), line.end(), '|');
    if (bars == 0 || line.empty()) bars = count;
    EXPECT_EQ(count, bars) << line;
  }
}

TEST(TableReport, JsonSaysTheSame) {
  const auto parsed = boost::json::parse(table_json(some_result())).as_object();
  const auto& goals = parsed.at("goals").as_array();
  ASSERT_EQ(goals.size(), 3u);
  EXPECT_EQ(goals[0].at("reached").as_bool(), false);
  EXPECT_DOUBLE_EQ(goals[1].at("ratio").to_number<double>(), 3);
  EXPECT_FALSE(goals[2].as_object().contains("figure"));
  EXPECT_EQ(goals[2].at("missing").as_string(), "no twemproxy here");
}

TEST(Measures, HaveNamesOfTheirOwn) {
  std::set<std::string> names;
  for (const MeasureKind& kind : measures()) names.insert(kind.name);
  EXPECT_EQ(names.size(), measures().size());
}

TEST(Table, AnUnknownMeasureIsAnErrorBeforeAnythingStarts) {
  TableOptions options;
  options.only = {"purchases", "purchses"};
  options.progress = false;
  const auto result = measure_table(options);
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.error().cls(), ErrorClass::kInvalid);
  EXPECT_NE(result.error().message().find("purchses"), std::string::npos);
}

TEST(Median, IsTheMiddleOrTheMeanOfTheTwo) {
  EXPECT_EQ(median({}), 0);
  EXPECT_EQ(median({3}), 3);
  EXPECT_EQ(median({9, 1, 5}), 5);
  EXPECT_EQ(median({1, 2, 4, 9}), 3);
}

TEST(Zipf, DrawsInProportionAndTheSameAgain) {
  constexpr size_t kItems = 100;
  constexpr uint64_t kDraws = 1'000'000;
  const Zipf zipf(kItems, 1.0);
  std::vector<uint64_t> drawn(kItems);
  for (uint64_t i = 0; i < kDraws; ++i) ++drawn[zipf.at(i)];
  double sum = 0;  // the harmonic number, by which the shares are divided
  for (size_t k = 1; k <= kItems; ++k) sum += 1.0 / static_cast<double>(k);
  for (const size_t k : {size_t{0}, size_t{1}, size_t{9}, size_t{99}}) {
    const double expected = kDraws / sum / static_cast<double>(k + 1);
    EXPECT_NEAR(static_cast<double>(drawn[k]), expected, expected * 0.05) << "item " << k;
  }
  EXPECT_EQ(zipf.at(12'345), Zipf(kItems, 1.0).at(12'345));
}

TEST(Zipf, ExponentZeroIsUniformAndOneItemIsAlwaysTheSame) {
  const Zipf uniform(4, 0);
  std::vector<uint64_t> drawn(4);
  for (uint64_t i = 0; i < 40'000; ++i) ++drawn[uniform.at(i)];
  for (const uint64_t count : drawn) EXPECT_NEAR(static_cast<double>(count), 10'000, 500);
  for (uint64_t i = 0; i < 100; ++i) EXPECT_EQ(Zipf(1, 0.99).at(i), 0u);
}

}  // namespace
}  // namespace sluice::bench::table
