// Calls whose items the caller foresees: they must come out as those that are decided by the
// script.
#include "proxy/sale/foresight.h"

#include <gtest/gtest.h>

#include <map>
#include <random>

#include "call_fixture.h"

namespace sluice::proxy::sale {
namespace {

std::string buyer(size_t number) { return "u" + std::to_string(number); }

class ForesightTest : public CallTest {
 protected:
  ShelfBatch foresee(std::vector<Operation> operations) {
    ShelfBatch batch;
    group_by_item(operations);
    batch.time_ms = time_ms_;
    batch.operations = std::move(operations);
    foresight_.foresee(batch, kinds_text(batch.operations));
    return batch;
  }
  CallAnswer send(const ShelfBatch& batch) {
    forecasts_ = batch.forecasts;
    CallAnswer told = answer(batch.operations);
    forecasts_.clear();
    return told;
  }
  CallAnswer foresee_and_send(std::vector<Operation> operations) {
    const ShelfBatch batch = foresee(std::move(operations));
    const CallAnswer told = send(batch);
    foresight_.answered(batch, told.items);
    return told;
  }
  // The item is known from now on.
  void create_and_sell_one(const Operation& creation) {
    foresee_and_send({creation});
    foresee_and_send({op(Verb::kBuy, "first", 1, "", 10)});
  }

  Foresight foresight_;
};

TEST_F(ForesightTest, WhatIsForeseenIsWrittenAsTheScriptWouldHave) {
  create_and_sell_one(create(20, 3));
  const ShelfBatch batch =
      foresee({op(Verb::kBuy, "a", 2, "r", 11), op(Verb::kBuy, "b", 3, "", 12)});
  ASSERT_TRUE(batch.forecasts.at(0).foreseen);
  const CallAnswer told = send(batch);
  EXPECT_EQ(told.items[0].remaining, 19);
  EXPECT_EQ(told.items[0].now, item());
  EXPECT_EQ(item().sold, 6u);
  EXPECT_EQ(item().fields, 4u);
  EXPECT_EQ(told.verdicts[0].remaining, 17);
  EXPECT_EQ(told.verdicts[1].remaining, 14);
  EXPECT_EQ(redis_.run({"HGET", kBuyers, "a"}), "2,11,r");
  const auto receipt = parse_call_receipt(redis_.run({"LINDEX", kReceipts, "-1"}));
  ASSERT_TRUE(receipt.ok());
  EXPECT_EQ(receipt->lane_sequence, sequence_);
  EXPECT_EQ(receipt->items[0].now.born, 1u);
  EXPECT_EQ(receipt->verdicts[1].remaining, 14);
  EXPECT_TRUE(receipt->verdicts[1].accepted());
}

TEST_F(ForesightTest, WhoHasBoughtMeanwhileIsNoticedAloneAndAmongOthers) {
  create_and_sell_one(create(20, 1));
  const ShelfBatch alone = foresee({op(Verb::kBuy, "a", 1, "r2", 21)});
  const ShelfBatch many =
      foresee({op(Verb::kBuy, "b", 1, "", 22), op(Verb::kBuy, "a", 1, "r3", 23)});
  // As another proxy that gave units back would: the item is the same, and so is what was sold.
  shelves::PackedItem as_it_was = item();
  as_it_was.fields += 1;
  redis_.run({"HSET", kBuyers, "a", "1,11,r,c"});
  put(as_it_was);
  auto forecasts = alone.forecasts;
  forecasts[0].before = as_it_was;
  forecasts_ = forecasts;
  EXPECT_EQ(apply(alone.operations), "A 18") << "given back, so it may buy again";
  EXPECT_EQ(redis_.run({"HGET", kBuyers, "a"}), "1,11,r,c;1,21");
  forecasts = many.forecasts;
  forecasts[0].before = item();
  forecasts_ = forecasts;
  EXPECT_EQ(apply(many.operations), "A 17|L 1 21");
  EXPECT_EQ(item().sold, 3u);
}

TEST_F(ForesightTest, EditedItemsAreNoticedAsEver) {
  create_and_sell_one(create(20));
  const ShelfBatch batch = foresee({op(Verb::kBuy, "a", 1, "", 11)});
  ASSERT_TRUE(batch.forecasts[0].foreseen);
  forecasts_ = batch.forecasts;
  redis_.run({"HDEL", kBuyers, "first"});
  EXPECT_EQ(call(batch.operations, epoch_, sequence_), "EDITED phone") << "a buyer taken away";
  redis_.run({"HSET", kBuyers, "first", "1,10,"});
  shelves::PackedItem sold_less = item();
  sold_less.sold = 0;
  std::string edited = packed();
  edited.replace(0, 16, shelves::pack(sold_less).substr(0, 16));
  redis_.run({"HSET", kKey, "phone", edited});
  EXPECT_EQ(call(batch.operations, epoch_, sequence_), "EDITED phone");
}

TEST_F(ForesightTest, SeveralBatchesUnderWayBuildOnEachOther) {
  create_and_sell_one(create(20));
  const ShelfBatch first = foresee({op(Verb::kBuy, "a", 1, "", 11)});
  const ShelfBatch second = foresee({op(Verb::kBuy, "b", 4, "", 12)});
  ASSERT_TRUE(second.forecasts[0].foreseen);
  EXPECT_EQ(second.forecasts[0].before, first.forecasts[0].after());
  foresight_.answered(first, send(first).items);
  const ShelfBatch third = foresee({op(Verb::kBuy, "c", 1, "", 13)});
  EXPECT_EQ(third.forecasts[0].before, second.forecasts[0].after());
  foresight_.answered(second, send(second).items);
  foresight_.answered(third, send(third).items);
  EXPECT_EQ(item().sold, 7u);
}

TEST_F(ForesightTest, OnlyWhatIsKnownAndHasRoomIsForeseen) {
  const std::vector<Operation> buy{op(Verb::kBuy, "x", 2, "", 50)};
  const auto foreseen = [&](const std::vector<Operation>& operations) {
    const ShelfBatch batch = foresee(operations);
    const bool is = batch.forecasts.at(0).foreseen;
    foresight_.forget();
    return is;
  };
  EXPECT_FALSE(foreseen(buy)) << "nothing is known";
  const auto known = [&](const Operation& creation) {
    redis_.run({"DEL", kKey, kBuyers, kReceipts});
    sequence_ = 0;
    open("7");
    create_and_sell_one(creation);
  };
  known(create(3));
  EXPECT_TRUE(foreseen(buy));
  known(create(2));
  EXPECT_FALSE(foreseen(buy)) << "sold out behind it";
  known(create(9, 1));
  EXPECT_FALSE(foreseen(buy)) << "more than one buyer may have";
  known(create(9));
  EXPECT_FALSE(foreseen({op(Verb::kBuy, "x", 1, "", 50), op(Verb::kBuy, "x", 1, "", 51)}));
  known(create(9));
  EXPECT_FALSE(foreseen({op(Verb::kCancel, "first", 0, "", 10)}));
  known(create(9));
  foresee_and_send({op(Verb::kClose)});
  EXPECT_FALSE(foreseen(buy)) << "closed";
  known(create(9));
  foresee({op(Verb::kClose)});
  EXPECT_FALSE(foreseen(buy)) << "it may be closed by then";
  known(create(9, 0, 0, 0));
  time_ms_ = redis_now_ms();
  known(create(9, 0, time_ms_ - 1000, time_ms_ + 60'000));
  EXPECT_TRUE(foreseen(buy));
}

// By Redis's clock, whatever this one's says.
TEST_F(ForesightTest, AnItemIsOnSaleByRedissClock) {
  const int64_t now_ms = redis_now_ms();
  time_ms_ = now_ms;
  create_and_sell_one(create(9, 0, now_ms - 1000, now_ms + 60'000));
  ShelfBatch batch = foresee({op(Verb::kBuy, "a", 1, "", 11)});
  ASSERT_TRUE(batch.forecasts[0].foreseen);
  EXPECT_TRUE(send(batch).verdicts[0].accepted());
  for (const bool over : {false, true}) {
    const std::string name = over ? "over" : "later";
    const Operation creation = over ? create(9, 0, 0, now_ms - 1) : create(9, 0, now_ms + 60'000);
    foresee_and_send({of(name, creation)});
    foresee_and_send({of(name, op(Verb::kBuy, "a", 1, "", 11))});
    time_ms_ = over ? now_ms - 1000 : now_ms + 61'000;
    batch = foresee({of(name, op(Verb::kBuy, "b", 1, "", 12)), op(Verb::kBuy, name, 1, "", 13)});
    EXPECT_TRUE(batch.forecasts[0].foreseen) << "this clock is wrong";
    const CallAnswer told = send(batch);
    EXPECT_EQ(told.verdicts[0].kind, over ? Verdict::Kind::kEnded : Verdict::Kind::kNotStarted);
    EXPECT_TRUE(told.verdicts[1].accepted());
    foresight_.answered(batch, told.items);
  }
}

// The same operations, foreseen on one shelf of Redis and decided there without: everything that is
// told and everything that is left must be equal.
TEST_F(ForesightTest, RandomSalesComeOutAsWithoutForesight) {
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  const auto up_to = [&](size_t most) { return random() % most; };
  struct Told {
    std::string verdicts, state;
    bool operator==(const Told&) const = default;
  };
  std::vector<std::vector<Operation>> batches;
  uint64_t order = 100;
  for (int i = 0; i < 150; ++i) {
    std::vector<Operation>& batch = batches.emplace_back();
    for (size_t n = 1 + up_to(12); n > 0; --n) {
      const std::string name = "i" + std::to_string(up_to(5));
      const size_t kind = up_to(20);
      Operation one = op(Verb::kBuy, buyer(up_to(60)), 1 + static_cast<int64_t>(up_to(2)),
                         up_to(2) == 0 ? "q" + std::to_string(up_to(40)) : "", ++order);
      if (kind == 0) one = create(40, 2, 0, 0, ++order);
      if (kind == 1) one = op(Verb::kCancel, buyer(up_to(60)), 0, "", 100 + up_to(order - 99));
      if (kind == 2) one = op(Verb::kRestock, "", 5);
      if (kind == 3) one = op(up_to(2) == 0 ? Verb::kClose : Verb::kReopen);
      if (kind == 3) one.hold_ms = 1'000'000;
      batch.push_back(of(name, one));
    }
  }
  size_t foreseen = 0;
  const auto run = [&](bool with_foresight) {
    redis_.run({"FLUSHALL"});
    sequence_ = 0;
    open("7");
    std::vector<Told> told;
    for (const auto& operations : batches) {
      const ShelfBatch batch = foresee(operations);
      if (with_foresight) {
        for (const ItemForecast& forecast : batch.forecasts) foreseen += forecast.foreseen ? 1 : 0;
      }
      const CallAnswer answered = [&] {
        if (with_foresight) return send(batch);
        return answer(batch.operations);
      }();
      foresight_.answered(batch, answered.items);
      Told& now = told.emplace_back();
      for (size_t i = 0; i < answered.verdicts.size(); ++i) {
        now.verdicts += shown(batch.operations[i], answered.verdicts[i]) + "|";
      }
      for (const std::string name : {"i0", "i1", "i2", "i3", "i4"}) {
        now.state += packed(name) + redis_.run({"HLEN", shelves::buyers_key(kShelf, name)});
      }
    }
    return told;
  };
  const std::vector<Told> with = run(true), without = run(false);
  for (size_t i = 0; i < with.size(); ++i) {
    ASSERT_EQ(with[i].verdicts, without[i].verdicts) << "batch " << i;
    ASSERT_EQ(with[i].state, without[i].state) << "batch " << i;
  }
  EXPECT_GT(foreseen, 50u);
}

}  // namespace
}  // namespace sluice::proxy::sale
