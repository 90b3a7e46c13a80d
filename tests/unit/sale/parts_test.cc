// Order ids, durability trails, msgpack.
#include <gtest/gtest.h>

#include <random>
#include <set>
#include <thread>

#include "proxy/sale/durability.h"
#include "proxy/sale/msgpack.h"
#include "proxy/sale/order_ids.h"
#include "proxy/sale/purchase_answer.h"

namespace sluice::proxy::sale {
namespace {

constexpr int64_t kNowMs = 1'795'000'000'000;

TEST(OrderIds, RiseAndStayPositiveAlsoWhenTheClockGoesBack) {
  OrderIds ids(1023);
  uint64_t last = 0;
  for (const int64_t step : {0, 5, -100'000, 3, 0, -1, 200'000}) {
    const uint64_t first = ids.take(3000, kNowMs + step);
    for (size_t i = 0; i < 3000; ++i) {
      const uint64_t id = ids.at(first, i);
      ASSERT_GT(id, last);
      ASSERT_LT(id, uint64_t{1} << 63);
      ASSERT_EQ(OrderIds::proxy_of(id), 1023u);
      last = id;
    }
  }
}

TEST(OrderIds, StartAboveTheHighestKnown) {
  OrderIds before(3), after(3);
  const uint64_t used = before.at(before.take(1, kNowMs + 60'000), 0);
  after.raise_above(used);
  EXPECT_GT(after.at(after.take(1, kNowMs), 0), used);
}

TEST(OrderIds, OfTwoProxiesAndOfThreadsNeverMeet) {
  OrderIds a(1), b(2);
  EXPECT_NE(a.at(a.take(1, kNowMs), 0), b.at(b.take(1, kNowMs), 0));
  std::vector<std::vector<uint64_t>> taken(4);
  std::vector<std::thread> threads;
  for (auto& mine : taken) {
    threads.emplace_back([&a, &mine] {
      for (int i = 0; i < 20'000; ++i) mine.push_back(a.at(a.take(1, kNowMs), 0));
    });
  }
  for (std::thread& thread : threads) thread.join();
  std::set<uint64_t> all;
  for (const auto& mine : taken) all.insert(mine.begin(), mine.end());
  EXPECT_EQ(all.size(), 80'000u);
}

TEST(Trail, OrderArrivesWithItsBatchNotBefore) {
  Trail trail;
  trail.add(100, 10, 1);
  trail.add(200, 20, 2);
  EXPECT_FALSE(trail.has_arrived(150));
  trail.arrived(9);
  EXPECT_FALSE(trail.has_arrived(150));
  trail.arrived(10);
  EXPECT_TRUE(trail.has_arrived(150));
  EXPECT_FALSE(trail.has_arrived(200));
  EXPECT_EQ(trail.last_lane_sequence(), 1u);
}

TEST(Trail, MergingNeverClaimsTooMuch) {
  Trail trail;
  constexpr uint64_t kBatches = 5000;
  for (uint64_t i = 1; i <= kBatches; ++i) trail.add(i * 10, i * 10, i);
  for (uint64_t arrived = 0; arrived <= kBatches; arrived += 37) {
    trail.arrived(arrived * 10 + 9);
    for (uint64_t order : {arrived * 10 + 10, arrived * 10 + 500}) {
      if (order <= kBatches * 10) {
        EXPECT_FALSE(trail.has_arrived(order)) << order << " after " << arrived;
      }
    }
    EXPECT_LE(trail.last_lane_sequence(), arrived);
  }
  trail.arrived(kBatches * 10);
  EXPECT_TRUE(trail.has_arrived(kBatches * 10));
}

TEST(Msgpack, ReadsBackWhatItWroteAndNeverMoreThanThereIs) {
  std::string bytes;
  append_array_header(bytes, 70'000);
  append_integer(bytes, 0);
  append_integer(bytes, -5);
  append_integer(bytes, INT64_MAX);
  for (const size_t size : {0, 31, 32, 255, 65'535, 65'536})
    append_string(bytes, std::string(size, 'x'));
  const auto read = [](std::string_view from) {
    MsgpackReader reader(from);
    EXPECT_TRUE(reader.array_header() == 70'000 || !reader.ok());
    reader.integer(), reader.integer();
    const int64_t big = reader.integer();
    size_t total = 0;
    for (int i = 0; i < 6; ++i) total += reader.string().size();
    return std::tuple(reader.ok(), big, total);
  };
  EXPECT_EQ(read(bytes), std::tuple(true, INT64_MAX, size_t{31 + 32 + 255 + 65'535 + 65'536}));
  for (size_t cut = 0; cut < bytes.size(); cut += cut < 200 ? 1 : 997) {
    EXPECT_FALSE(std::get<0>(read(std::string_view(bytes).substr(0, cut)))) << cut;
  }
}

// A number that is missing must not pass for 0: it may be the order that the buyer is told of.
TEST(Verdict, OneWithAnotherNumberOfNumbersIsNoVerdict) {
  const auto is_answer = [](Verb verb, const std::string& verdict) {
    Operation op;
    op.verb = verb, op.user = "u", op.quantity = 1;
    const std::string head = "5 0 -1 N";
    return parse_call_answer("OK 1 " + std::to_string(head.size()) + " " +
                                 std::to_string(verdict.size()) + " 0 " + head + verdict,
                             {op}, {})
        .ok();
  };
  const std::pair<Verb, const char*> whole[] = {{Verb::kBuy, "A"},
                                                {Verb::kBuy, "R 5"},
                                                {Verb::kBuy, "L 1 5"},
                                                {Verb::kBuy, "B 9"},
                                                {Verb::kBuy, "S"},
                                                {Verb::kCancel, "A 2 0"},
                                                {Verb::kCancel, "R"},
                                                {Verb::kClose, "A 9"},
                                                {Verb::kQuery, "F 5 1 placed"},
                                                {Verb::kRestock, "A"},
                                                {Verb::kStock, "T 9 1 0 0 0 0 open"}};
  for (const auto& [verb, verdict] : whole) {
    const std::string text = verdict;
    EXPECT_TRUE(is_answer(verb, text)) << text;
    EXPECT_FALSE(is_answer(verb, text + " 7")) << text;
    const size_t space = text.find(' ');
    if (space != std::string::npos) {
      EXPECT_FALSE(is_answer(verb, text.substr(0, space))) << text;
    }
  }
  EXPECT_FALSE(is_answer(Verb::kBuy, "Z"));
  EXPECT_FALSE(is_answer(Verb::kBuy, "AA"));
  EXPECT_FALSE(is_answer(Verb::kBuy, ""));
}

}  // namespace
}  // namespace sluice::proxy::sale
