// What is known of sold-out items: the filter of buyers, the lease, what is under way.
#include "proxy/sale/sold_out.h"

#include <gtest/gtest.h>

#include <random>
#include <thread>
#include <vector>

#include "proxy/sale/under_way.h"

namespace sluice::proxy::sale {
namespace {

std::string buyer(uint64_t n) { return "buyer-" + std::to_string(n); }

TEST(BuyerFilter, HasEveryoneWhoWasAddedAndHardlyAnyoneElse) {
  constexpr uint64_t kBuyers = 200'000;
  BuyerFilter filter(kBuyers);
  for (uint64_t n = 0; n < kBuyers; ++n) filter.add(name_hash(buyer(n)));
  for (uint64_t n = 0; n < kBuyers; ++n) ASSERT_TRUE(filter.may_have(name_hash(buyer(n)))) << n;
  uint64_t wrong = 0;
  for (uint64_t n = kBuyers; n < 2 * kBuyers; ++n) wrong += filter.may_have(name_hash(buyer(n)));
  EXPECT_LT(wrong, kBuyers / 500) << "more than 0.2 % of the others";
  EXPECT_EQ(BuyerFilter::bytes_for(kBuyers), (kBuyers / 16 + 1) * 32);
}

TEST(BuyerFilter, EmptyOneHasNobodyAndTakesABlock) {
  BuyerFilter filter(0);
  EXPECT_FALSE(filter.may_have(name_hash("ann")));
  filter.add(name_hash("ann"));
  EXPECT_TRUE(filter.may_have(name_hash("ann")));
  EXPECT_EQ(BuyerFilter::bytes_for(0), 32u);
}

TEST(BuyerFilter, WhoIsAddedIsFoundByOtherThreads) {
  constexpr uint64_t kBuyers = 100'000;
  BuyerFilter filter(kBuyers);
  std::atomic<uint64_t> added{0};
  std::thread owner([&] {
    for (uint64_t n = 0; n < kBuyers; ++n) {
      filter.add(name_hash(buyer(n)));
      added.store(n + 1, std::memory_order_release);
    }
  });
  uint64_t missed = 0;
  for (uint64_t known = 0; known < kBuyers;) {
    known = added.load(std::memory_order_acquire);
    if (known > 0) missed += !filter.may_have(name_hash(buyer(known - 1)));
  }
  owner.join();
  EXPECT_EQ(missed, 0u);
}

class SoldOutTest : public testing::Test {
 protected:
  static constexpr int64_t kAsk = 1050, kUntil = 1100;

  std::optional<int64_t> ask(int64_t quantity, int64_t now_us, const char* user = "ann") {
    return item_.remaining_for(name_hash(user), quantity, now_us);
  }

  std::atomic<size_t> budget_{SoldOut::bytes_for(100)};
  SoldOut item_{"phone", 5, 100, budget_};
};

TEST_F(SoldOutTest, KnowsNothingUntilItIsTold) { EXPECT_FALSE(ask(1, 0)); }

TEST_F(SoldOutTest, RefusesUntilTheLeaseIsOver) {
  constexpr int64_t kNever = 1'000'000;  // that one is let through meanwhile
  item_.renew(0, kNever, kUntil);
  EXPECT_EQ(ask(1, 1000), 0);
  EXPECT_EQ(ask(1, kUntil - 1), 0);
  EXPECT_FALSE(ask(1, kUntil));
  item_.renew(0, kNever, 2 * kUntil);
  EXPECT_EQ(ask(1, kUntil), 0);
}

TEST_F(SoldOutTest, RefusesOnlyMoreThanRemainAndWithinTheLimit) {
  item_.renew(2, kUntil, kUntil);
  EXPECT_FALSE(ask(2, 1000)) << "would fit";
  EXPECT_EQ(ask(3, 1000), 2);
  EXPECT_EQ(ask(5, 1000), 2);
  EXPECT_FALSE(ask(6, 1000)) << "is told LIMIT";
  SoldOut unlimited("phone", 0, 100, budget_);
  budget_ += SoldOut::bytes_for(100);
  unlimited.renew(2, kUntil, kUntil);
  EXPECT_EQ(unlimited.remaining_for(name_hash("ann"), 2'147'483'647, 1000), 2);
}

TEST_F(SoldOutTest, RefusesNoBuyer) {
  item_.buyers().add(name_hash("ann"));
  item_.renew(0, kUntil, kUntil);
  EXPECT_FALSE(ask(1, 1000));
  EXPECT_EQ(ask(1, 1000, "bob"), 0);
}

TEST_F(SoldOutTest, LetsOneAskNowAndThen) {
  item_.renew(0, kAsk, kUntil);
  EXPECT_EQ(ask(1, kAsk - 1), 0);
  EXPECT_FALSE(ask(1, kAsk));
  EXPECT_EQ(ask(1, kAsk), 0) << "one is enough";
  EXPECT_EQ(ask(1, kUntil - 1), 0);
  item_.renew(0, 2 * kAsk, 2 * kUntil);
  EXPECT_EQ(ask(1, 2 * kAsk - 1), 0);
  EXPECT_FALSE(ask(1, 2 * kAsk));
}

TEST_F(SoldOutTest, RevokedRefusesNobody) {
  item_.renew(0, kAsk, kUntil);
  item_.revoke();
  EXPECT_FALSE(ask(1, 1000));
}

TEST_F(SoldOutTest, RemaindersThatDoNotFitAreNotKept) {
  item_.renew(65'535, kUntil, kUntil);
  SoldOut unlimited("phone", 0, 100, budget_);
  budget_ += SoldOut::bytes_for(100);
  unlimited.renew(65'535, kUntil, kUntil);
  EXPECT_EQ(unlimited.remaining_for(name_hash("ann"), 65'536, 1000), 65'535);
  unlimited.renew(65'536, kUntil, kUntil);
  EXPECT_FALSE(unlimited.remaining_for(name_hash("ann"), 100'000, 1000));
  unlimited.renew(-1, kUntil, kUntil);
  EXPECT_FALSE(unlimited.remaining_for(name_hash("ann"), 100'000, 1000)) << "oversold";
}

TEST_F(SoldOutTest, GivesItsMemoryBack) {
  { SoldOut other("radio", 0, 100, budget_); }
  EXPECT_EQ(budget_, 0u);
}

TEST(UnderWay, CountsUntilTheLastCopyIsGone) {
  UnderWay under_way;
  const uint64_t phone = name_hash("phone"), ann = name_hash("ann"), bob = name_hash("bob");
  {
    UnderWay::Mark first = under_way.purchase(phone, ann);
    EXPECT_TRUE(under_way.any(phone, ann));
    EXPECT_FALSE(under_way.any(phone, bob));
    EXPECT_FALSE(under_way.any(name_hash("radio"), ann));
    UnderWay::Mark copy = first;
    first = UnderWay::Mark();
    EXPECT_TRUE(under_way.any(phone, ann));
    UnderWay::Mark moved = std::move(copy);
    copy = UnderWay::Mark();
    EXPECT_TRUE(under_way.any(phone, ann));
  }
  EXPECT_FALSE(under_way.any(phone, ann));
}

TEST(UnderWay, ChangeOfTheItemConcernsEverybody) {
  UnderWay under_way;
  const uint64_t phone = name_hash("phone");
  {
    const UnderWay::Mark change = under_way.change(phone);
    EXPECT_TRUE(under_way.any(phone, name_hash("ann")));
    EXPECT_FALSE(under_way.any(name_hash("radio"), name_hash("ann")));
  }
  EXPECT_FALSE(under_way.any(phone, name_hash("ann")));
}

}  // namespace
}  // namespace sluice::proxy::sale
