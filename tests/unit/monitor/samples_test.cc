#include "proxy/monitor/samples.h"

#include <gtest/gtest.h>
#include <boost/json/array.hpp>
#include <boost/json/value.hpp>

namespace sluice::proxy::monitor {
namespace {

Sample sample_at(int64_t second, uint64_t accepted) {
  Sample sample;
  sample.time_ms = second * 1000;
  sample.at_us = second * 1'000'000;
  sample.accepted = accepted;
  return sample;
}

TEST(Samples, RatesAreDifferencesOverTheSecondsAsked) {
  Samples samples;
  EXPECT_EQ(samples.rates(3).accepted, 0);
  samples.add(sample_at(0, 0));
  EXPECT_EQ(samples.rates(3).accepted, 0);
  for (int64_t second = 1; second <= 10; ++second) {
    samples.add(sample_at(
        second, static_cast<uint64_t>(second > 5 ? 50 + (second - 5) * 100 : second * 10)));
  }
  EXPECT_EQ(samples.rates(3).accepted, 100);
  EXPECT_EQ(samples.rates(10).accepted, 55);
  EXPECT_EQ(samples.rates(1000).accepted, 55);
}

TEST(Samples, ACounterThatBeganAnewIsNoNegativeRate) {
  Samples samples;
  samples.add(sample_at(0, 1000));
  samples.add(sample_at(1, 5));
  EXPECT_EQ(samples.rates(1).accepted, 0);
}

TEST(Samples, HistoryHasTenMinutesAndTellsWhatIsNotKnown) {
  Samples samples;
  for (int64_t second = 0; second < 700; ++second) {
    Sample sample = sample_at(second, static_cast<uint64_t>(second) * 7);
    sample.backlog_rows = second == 699 ? 12 : -1;
    samples.add(sample);
  }
  const auto history = samples.history();
  const auto& backlog = history.at("backlog_rows").as_array();
  EXPECT_EQ(history.at("time_ms").as_array().size(), Samples::kMax - 1);
  ASSERT_EQ(backlog.size(), Samples::kMax - 1);
  EXPECT_TRUE(backlog.front().is_null());
  EXPECT_EQ(backlog.back().as_int64(), 12);
  EXPECT_EQ(history.at("accepted_per_second").as_array().back().as_int64(), 7);
}

}  // namespace
}  // namespace sluice::proxy::monitor
