#include "proxy/monitor/item_watch.h"

#include <gtest/gtest.h>
#include <boost/json/value.hpp>

namespace sluice::proxy::monitor {
namespace {

std::string stock_reply(int64_t stock, int64_t sold) {
  const auto pair = [](const std::string& name, int64_t number) {
    return "$" + std::to_string(name.size()) + "\r\n" + name + "\r\n:" + std::to_string(number) +
           "\r\n";
  };
  return "*8\r\n" + pair("stock", stock) + pair("sold", sold) + pair("remaining", stock - sold) +
         "$5\r\nstate\r\n$4\r\nopen\r\n";
}

class ItemWatchTest : public testing::Test, public DrainSource {
 protected:
  bool is_configured() const override { return true; }
  std::shared_ptr<const boost::json::object> last_status() const override { return nullptr; }
  void find_items(const std::vector<std::string>&, Items done) override {
    ++mysql_asked_;
    boost::json::object rows;
    rows["phone"] = {{"stock", 10}, {"sold", mysql_sold_}};
    done(rows);
  }
  void look(uint64_t units, bool is_settled = false) {
    std::vector<sale::ItemBoard::Sold> sold;
    if (units > 0) sold.push_back({"phone", units});
    watch_.look(sold, 1, is_watched_, is_settled);
  }
  WatchedItem phone() { return watch_.top().at(0); }

  std::string reply_ = stock_reply(10, 4);
  bool is_watched_ = true;
  int64_t mysql_sold_ = 4;
  int redis_asked_ = 0, mysql_asked_ = 0;
  ItemWatch watch_{[this](const std::string&, std::function<void(std::string)> done) {
                     ++redis_asked_;
                     done(reply_);
                   },
                   *this};
};

TEST_F(ItemWatchTest, AsksOnlyWhileSomebodyLooks) {
  is_watched_ = false;
  for (int i = 0; i < 10; ++i) look(1);
  EXPECT_EQ(redis_asked_ + mysql_asked_, 0);
  EXPECT_EQ(phone().guard, "UNKNOWN");
  is_watched_ = true;
  for (int i = 0; i < 10; ++i) look(1);
  EXPECT_EQ(redis_asked_, 10);
  EXPECT_EQ(mysql_asked_, 2);
  EXPECT_EQ(phone().guard, "OK");
  EXPECT_EQ(phone().redis->remaining, 6);
  EXPECT_EQ(phone().mysql->sold, 4);
}

TEST_F(ItemWatchTest, OversoldIsWhatRedisOrMysqlHasTooMuchOf) {
  reply_ = stock_reply(10, 11);
  look(1);
  EXPECT_EQ(phone().guard, "OVERSOLD");
  reply_ = stock_reply(10, 10);
  look(1);
  EXPECT_EQ(phone().guard, "OK");
  mysql_sold_ = 11;
  for (int i = 0; i < 5; ++i) look(1);
  EXPECT_EQ(phone().guard, "OVERSOLD");
}

TEST_F(ItemWatchTest, ADifferenceCountsOnlyIfAllIsDrainedAndQuietForAWhile) {
  mysql_sold_ = 3;
  for (int i = 0; i < 100; ++i) look(1);
  EXPECT_EQ(phone().guard, "OK");
  for (int i = 0; i < 100; ++i) look(0, false);
  EXPECT_EQ(phone().guard, "OK");
  for (int i = 0; i < 30; ++i) look(0, true);
  EXPECT_EQ(phone().guard, "DIFFERS");
  mysql_sold_ = 4;
  for (int i = 0; i < 5; ++i) look(0, true);
  EXPECT_EQ(phone().guard, "OK");
}

TEST_F(ItemWatchTest, AnItemThatWasDeletedIsForgotten) {
  look(1);
  reply_ = "*1\r\n$6\r\nNOITEM\r\n";
  look(0);
  EXPECT_TRUE(watch_.top().empty());
}

TEST_F(ItemWatchTest, ShowsTheTwelveThatSellMostTheFirstOneFirst) {
  std::vector<sale::ItemBoard::Sold> sold;
  for (uint64_t i = 1; i <= 3000; ++i) sold.push_back({"item" + std::to_string(i), i});
  watch_.look(sold, 1, false, false);
  const auto top = watch_.top();
  ASSERT_EQ(top.size(), ItemWatch::kShown);
  EXPECT_EQ(top[0].name, "item3000");
  EXPECT_EQ(top[11].name, "item2989");
}

}  // namespace
}  // namespace sluice::proxy::monitor
