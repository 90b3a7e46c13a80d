// What the proxy reads must be what a script wrote.
#include "proxy/sale/purchase_answer.h"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

#include "call_fixture.h"

namespace sluice::proxy::sale {
namespace {

std::string answer_of(const std::string& heads, const std::string& verdicts) {
  return "OK 8 " + std::to_string(heads.size()) + " " + std::to_string(verdicts.size()) + " 3 " +
         heads + verdicts;
}

TEST(PurchaseAnswer, DamagedAnswersAndReceiptsAreErrors) {
  const std::vector<Operation> operations{op(Verb::kBuy, "u", 1, "r", 5),
                                          of("y", op(Verb::kBuy, "u", 1, "r", 6))};
  shelves::PackedItem left;
  left.stock = 5, left.fields = 4, left.limit = 2, left.born = (uint64_t{1} << 32) + 8;
  const std::string packed = shelves::pack(left), y = "9 3 100 P" + packed;
  std::vector<ItemForecast> forecasts(2);
  forecasts[0] = {.only_first_buys = true, .units = 1, .buyers = 1, .foreseen = true};
  forecasts[0].before.stock = 5, forecasts[0].before.born = 7;
  const auto good = parse_call_answer(answer_of("=" + y, "L 1 7"), operations, forecasts);
  ASSERT_TRUE(good.ok());
  EXPECT_EQ(good->lane_sequence, 8u);
  EXPECT_EQ(good->verdicts[0].remaining, 4);
  EXPECT_TRUE(good->verdicts[0].accepted());
  EXPECT_EQ(good->items[0].now.born, 7u);
  EXPECT_EQ(good->items[0].now.sold, 1u);
  EXPECT_EQ(good->items[1].now, left);
  EXPECT_EQ(good->items[1].ends_in_ms, 100);
  EXPECT_EQ(good->verdicts[1].kind, Verdict::Kind::kLimit);
  ASSERT_TRUE(parse_call_answer(answer_of("5 0 -1 N" + y, "N\nS"), operations, {}).ok());
  std::string edited = packed;
  edited[0] ^= 1;
  const std::vector<std::string> damaged{"",
                                         "OK",
                                         "OK 8",
                                         "OK x 0 0 0 ",
                                         "OK 8 999 1 0 " + y,
                                         answer_of("=" + y, ""),
                                         answer_of("=" + y, "S\nS"),
                                         answer_of("=" + y, "R"),
                                         answer_of("==", "S"),
                                         answer_of("=", "S"),
                                         answer_of(y + "=", "S"),
                                         answer_of("=9 3 100 X" + packed, "S"),
                                         answer_of("=9 3 P" + packed, "S"),
                                         answer_of("=9 3 100 P" + packed.substr(1), "S"),
                                         answer_of("=9 3 100 P" + edited, "S"),
                                         answer_of("=" + y + "=", "S"),
                                         answer_of("=" + y, "S") + "x",
                                         "GATE",
                                         "GATE x",
                                         "GAP -1",
                                         "EDITED",
                                         "ERR unknown"};
  for (const std::string& bad : damaged) {
    EXPECT_FALSE(parse_call_answer(bad, operations, forecasts).ok()) << bad;
  }
  EXPECT_FALSE(parse_call_answer(answer_of("=" + y, "S"), operations, {}).ok())
      << "nothing was foreseen";
}

TEST(PurchaseAnswer, RandomDamageIsNeverTakenForMoreThanItIs) {
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  Operation with_fields = op(Verb::kBuy, "u", 1, "r", 5);
  with_fields.fields = "\x01k\x01v";
  const std::vector<Operation> operations{with_fields, create(7),
                                          of("y", op(Verb::kBuy, "v", 1, "", 6))};
  std::vector<ItemForecast> forecasts(2);
  forecasts[1] = {.only_first_buys = true, .units = 1, .buyers = 1, .foreseen = true};
  forecasts[1].before.stock = 5, forecasts[1].before.born = 7;
  const CallPayload payload = encode_call(1, operations, kinds_text(operations), forecasts);
  const std::string receipt = answer_of("5 0 -1 N=", "N\nA").substr(3) + "\n" + payload.receipt;
  const auto whole = parse_call_receipt(receipt);
  ASSERT_TRUE(whole.ok());
  EXPECT_EQ(whole->operations[0].fields, with_fields.fields);
  EXPECT_EQ(whole->verdicts[2].remaining, 4);
  EXPECT_EQ(whole->items[1].now.born, 7u);
  for (int i = 0; i < 20'000; ++i) {
    std::string damaged = receipt;
    for (int flips = 1 + static_cast<int>(random() % 3); flips > 0; --flips) {
      damaged[random() % damaged.size()] = static_cast<char>(random());
    }
    damaged.resize(random() % (damaged.size() + 1));
    const auto read = parse_call_receipt(damaged);
    if (read) {
      EXPECT_EQ(read->operations.size(), read->verdicts.size());
    }
    (void)parse_call_answer("OK " + damaged, operations, forecasts);
  }
}

}  // namespace
}  // namespace sluice::proxy::sale
