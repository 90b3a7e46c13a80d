#include "bench/report.h"

#include <gtest/gtest.h>

#include <boost/json.hpp>

#include "bench/text.h"

namespace sluice::bench {
namespace {

LoadResult some_result() {
  LoadResult result;
  result.sent = 1'234'567;
  result.accepted = 1000;
  result.refused.add("SOLDOUT", 1'233'000);
  result.refused.add("LIMIT", 500);
  result.errors.add("BUSY", 60);
  result.unanswered = 7;
  result.elapsed_s = 2;
  for (int i = 0; i < 1000; ++i) result.accepted_ns.record(2'000'000);
  return result;
}

TEST(Text, NumbersAndLatenciesAreReadable) {
  EXPECT_EQ(with_commas(0), "0");
  EXPECT_EQ(with_commas(999.4), "999");
  EXPECT_EQ(with_commas(999.6), "1,000");
  EXPECT_EQ(with_commas(1'234'567), "1,234,567");
  EXPECT_EQ(with_commas(-1234), "-1,234");
  EXPECT_EQ(latency_text(850'000), "850 us");
  EXPECT_EQ(latency_text(1'240'000), "1.24 ms");
  EXPECT_EQ(latency_text(2'500'000'000), "2.50 s");
  EXPECT_EQ(padded("ab", 4), "  ab");
  EXPECT_EQ(padded("ab", 4, false), "ab  ");
  EXPECT_EQ(padded("abcde", 4), "abcde");
}

TEST(Report, AcceptedRefusedAndErrorsStandApart) {
  const std::string text = report_text({"sale", "of phone at here"}, some_result());
  for (const char* part :
       {"1,234,567", "SOLDOUT", "1,233,000", "LIMIT", "BUSY", "500/s", "unanswered", "p99.9 2.0"}) {
    EXPECT_NE(text.find(part), std::string::npos) << part << " is not in\n" << text;
  }
  EXPECT_EQ(text.find("MISMATCHED"), std::string::npos);
}

TEST(Report, JsonSaysTheSame) {
  SaleFacts facts{"sale", "of phone at here", 1000, 0, 1000, 1000};
  const auto parsed = boost::json::parse(report_json(facts, some_result())).as_object();
  EXPECT_EQ(parsed.at("accepted").to_number<int>(), 1000);
  EXPECT_EQ(parsed.at("accepted_per_s").to_number<double>(), 500);
  EXPECT_EQ(parsed.at("refused").at("SOLDOUT").to_number<int>(), 1'233'000);
  EXPECT_EQ(parsed.at("errors").at("BUSY").to_number<int>(), 60);
  EXPECT_EQ(parsed.at("unanswered").to_number<int>(), 7);
  EXPECT_NEAR(parsed.at("accepted_us").at("p99").to_number<double>(), 2000, 20);
}

}  // namespace
}  // namespace sluice::bench
