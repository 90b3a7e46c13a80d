// What the purchase script makes of payments, refunds, expiries and changes, on a real Redis.
#include "call_fixture.h"

namespace sluice::proxy::sale {
namespace {

class OrderLifeTest : public CallTest {
 protected:
  static constexpr int64_t kHoldMs = 1'000;

  static Operation held(int64_t stock, int64_t hold_ms = kHoldMs) {
    Operation made = create(stock);
    made.hold_ms = hold_ms;
    return made;
  }
  static Operation pay(const std::string& user, uint64_t order, const std::string& request = "") {
    return op(Verb::kPay, user, 0, request, order);
  }
  static Operation cancel(const std::string& user, uint64_t order, bool refunds = false,
                          const std::string& request = "") {
    return op(Verb::kCancel, user, refunds ? 1 : 0, request, order);
  }
  static Operation expire(const std::string& user, uint64_t order, int64_t age_ms = kHoldMs) {
    return op(Verb::kExpire, user, age_ms, "", order);
  }
  static Operation change(int64_t limit, int64_t start_ms, int64_t end_ms, int64_t hold_ms) {
    Operation made = op(Verb::kChange, "", 0);
    made.limit = limit, made.start_ms = start_ms, made.end_ms = end_ms, made.hold_ms = hold_ms;
    return made;
  }
  std::string field(const std::string& name) {
    return redis_.run({"HGET", shelves::buyers_key(kShelf, "phone"), name});
  }
};

TEST_F(OrderLifeTest, WhatBecameOfAnOrderStandsBehindItAndIsOneThing) {
  apply({create(9)});
  apply({op(Verb::kBuy, "a", 2, "r", 11), op(Verb::kBuy, "a", 1, "s", 12)});
  EXPECT_EQ(apply({pay("a", 11, "p"), pay("a", 12)}), "A 2|A 1");
  EXPECT_EQ(field("a"), "2,11,r,p,p;3,12");
  EXPECT_EQ(field("a/o/12"), "1,s,p");
  EXPECT_EQ(apply({pay("a", 11, "p"), pay("a", 11), pay("b", 11)}), "R|D|N");
  EXPECT_EQ(apply({cancel("a", 11), cancel("a", 11, true, "c"), cancel("a", 12, true)}),
            "P|A 8 2|A 9 1");
  EXPECT_EQ(field("a"), "2,11,r,c,c;0,12");
  EXPECT_EQ(field("a/o/12"), "1,s,c");
  EXPECT_EQ(apply({cancel("a", 11, false, "c"), pay("a", 11)}), "R 9|K");
  EXPECT_EQ(item().sold, 0u);
}

// A request's name may be that of a fate.
TEST_F(OrderLifeTest, AFateIsNotMistakenForARequest) {
  apply({create(9)});
  apply({op(Verb::kBuy, "a", 1, "c", 11), op(Verb::kBuy, "b", 1, "e", 12)});
  EXPECT_EQ(apply({op(Verb::kQuery, "a", 1, "", 11)}), "F 11 1 placed");
  EXPECT_EQ(apply({pay("a", 11, "e"), pay("b", 12, "c")}), "A 1|A 1");
  EXPECT_EQ(apply({op(Verb::kQuery, "a", 1, "", 11), op(Verb::kQuery, "b", 1, "", 12)}),
            "F 11 1 paid|F 12 1 paid");
  EXPECT_EQ(item().sold, 2u);
}

TEST_F(OrderLifeTest, AnOrderExpiresNotBeforeItsHoldAndOnce) {
  apply({held(9)});
  apply({op(Verb::kBuy, "a", 2, "r", 11), op(Verb::kBuy, "b", 1, "", 12)});
  EXPECT_EQ(apply({expire("a", 11, kHoldMs - 1)}), "H 1000");
  EXPECT_EQ(apply({expire("a", 11), expire("b", 12)}), "A 2|A 1");
  EXPECT_EQ(field("a"), "2,11,r,e");
  EXPECT_EQ(item().sold, 0u);
  EXPECT_EQ(item().fields, 3u);
  EXPECT_EQ(apply({expire("a", 11), expire("a", 99), expire("x", 11)}), "D|N|N");
  EXPECT_EQ(apply({pay("a", 11), cancel("a", 11), op(Verb::kBuy, "a", 2, "r", 13)}), "G|D|K 11");
  EXPECT_EQ(apply({op(Verb::kBuy, "a", 9, "", 14)}), "A 0") << "all of the stock is back";
}

// They cost a call each; a buyer's only order costs none.
TEST_F(OrderLifeTest, OneOfSeveralOrdersExpiresAndThePaidOneDoesNot) {
  apply({held(9)});
  apply({op(Verb::kBuy, "a", 1, "", 11), op(Verb::kBuy, "a", 2, "", 12)});
  EXPECT_EQ(apply({pay("a", 11), expire("a", 11), expire("a", 12)}), "A 1|D|A 2");
  EXPECT_EQ(field("a"), "1,11,,p;1,12");
  EXPECT_EQ(item().sold, 1u);
}

// In one batch, whichever comes first.
TEST_F(OrderLifeTest, PaymentAndExpiryThatCrossAreDecidedOnce) {
  apply({held(9)});
  apply({op(Verb::kBuy, "a", 1, "", 11), op(Verb::kBuy, "b", 1, "", 12)});
  EXPECT_EQ(apply({pay("a", 11), expire("a", 11)}), "A 1|D");
  EXPECT_EQ(apply({expire("b", 12), pay("b", 12)}), "A 1|G");
  EXPECT_EQ(item().sold, 1u);
}

TEST_F(OrderLifeTest, AnExpiryIsJudgedByTheHoldAsItIsNow) {
  apply({held(9)});
  apply({op(Verb::kBuy, "a", 1, "", 11), op(Verb::kBuy, "b", 1, "", 12)});
  EXPECT_EQ(apply({change(-1, -1, -1, 5'000), expire("a", 11)}), "A|H 5000");
  EXPECT_EQ(apply({change(-1, -1, -1, 0), expire("a", 11, 9'000)}), "A|H");
  EXPECT_EQ(apply({change(-1, -1, -1, 10), expire("a", 11)}), "A|A 1");
}

TEST_F(OrderLifeTest, NothingExpiresOfAnItemThatIsDeletedBeforeInTheBatch) {
  apply({held(9)});
  apply({op(Verb::kBuy, "a", 1, "", 11)});
  apply({op(Verb::kClose)});
  Operation erase = op(Verb::kDelete);
  const std::string asked = apply({erase});
  ASSERT_TRUE(asked.starts_with("W ")) << asked;
  erase.order_id = std::stoull(asked.substr(2));
  EXPECT_EQ(apply({erase, expire("a", 11)}), "A 1|N");
  EXPECT_EQ(redis_.run({"EXISTS", shelves::buyers_key(kShelf, "phone")}), "0");
}

TEST_F(OrderLifeTest, AChangeTellsAllSettingsAndALaterTimeThanTheOneBefore) {
  time_ms_ = 5'000;
  apply({create(9, 1, 10, 20'000'000'000'000)});
  time_ms_ = 4'000;  // a clock behind
  const CallAnswer decided = answer({change(3, -1, -1, 700)});
  const auto& told = decided.verdicts[0].numbers;
  EXPECT_EQ(std::vector<int64_t>(told.begin(), told.begin() + 5),
            (std::vector<int64_t>{3, 10, 20'000'000'000'000, 700, 5'001}));
  EXPECT_EQ(item().limit, 3u);
  EXPECT_EQ(item().hold_ms, 700);
  EXPECT_EQ(item().changed_ms, 5'001);
  EXPECT_EQ(apply({change(3, -1, -1, -1), change(-1, -1, 10, -1)}), "R|X");
  EXPECT_EQ(apply({op(Verb::kBuy, "a", 3, "", 11)}), "A 6");
  EXPECT_EQ(apply({change(0, -1, 11, -1), op(Verb::kBuy, "b", 1, "", 12)}).substr(0, 2), "A|");
  EXPECT_EQ(apply({op(Verb::kBuy, "b", 1, "", 12)}), "E 11");
}

}  // namespace
}  // namespace sluice::proxy::sale
