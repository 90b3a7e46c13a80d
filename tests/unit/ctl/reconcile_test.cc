// The parts of sluice-ctl reconcile that need no server: tallies, Redis's fields, configuration
// files, the table and the JSON.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/json.hpp>

#include "ctl/config_file.h"
#include "ctl/reconcile_report.h"
#include "ctl/redis_items.h"
#include "ctl/sources.h"
#include "ctl/tally.h"
#include "journal_files.h"

namespace sluice::ctl {
namespace {

using testing::HasSubstr;

Tally tally(uint64_t order_id, std::string_view user, int64_t quantity) {
  Tally one;
  one.add(order_id, user, quantity);
  return one;
}

TEST(Tally, IsTheCrc32ThatMysqlComputes) {
  EXPECT_EQ(tally(7, "ann", 2), (Tally{1, 2, 3782976075u}));
  EXPECT_EQ(print_sql("order_id", "user_id", "quantity"),
            "CRC32(CONCAT(order_id, '/', user_id, '/', quantity))");
}

TEST(Tally, DoesNotDependOnTheOrder) {
  Tally forth = tally(7, "ann", 2), back = tally(8, "bob", 1);
  forth += tally(8, "bob", 1);
  back += tally(7, "ann", 2);
  EXPECT_EQ(forth, back);
  EXPECT_EQ(forth.orders, 2u);
  EXPECT_EQ(forth.units, 3);
}

TEST(Tally, SeesAnotherBuyerAndAnotherOrder) {
  EXPECT_NE(tally(7, "ann", 2), tally(7, "bob", 2));
  EXPECT_NE(tally(7, "ann", 2), tally(8, "ann", 2));
}

Sales buyers(std::initializer_list<std::pair<std::string_view, std::string_view>> fields) {
  Sales sales;
  for (const auto& [field, value] : fields) {
    EXPECT_TRUE(add_buyer_field(sales, field, value)) << field;
  }
  return sales;
}

TEST(BuyerField, FirstOrderWithAndWithoutRequestAndFate) {
  for (const std::string_view value : {"2,7,", "2,7,req.c", "2,7,r;2,7", "2,7,c;5,9"}) {
    EXPECT_EQ(buyers({{"ann", value}}), (Sales{0, tally(7, "ann", 2), {}})) << value;
  }
  for (const std::string_view value : {"2,7,,c", "2,7,r,c", "2,7,r,c,back", "2,7,r,c;1,9"}) {
    EXPECT_EQ(buyers({{"ann", value}}), (Sales{0, tally(7, "ann", 2), tally(7, "ann", 2)}))
        << value;
  }
  for (const std::string_view value : {"2,7,,e", "2,7,r,e;1,9"}) {
    EXPECT_EQ(buyers({{"ann", value}}), (Sales{0, tally(7, "ann", 2), {}, tally(7, "ann", 2)}));
  }
  for (const std::string_view value : {"2,7,,p", "2,7,c,p,e", "2,7,r,p;3,9"}) {
    const Sales paid{0, tally(7, "ann", 2), {}, {}, tally(7, "ann", 2)};
    EXPECT_EQ(buyers({{"ann", value}}), paid) << value;
  }
}

TEST(BuyerField, FurtherOrdersCountAndTheirRequestsDoNot) {
  Sales expected{0, tally(7, "ann", 2), tally(9, "ann", 1)};
  expected.bought += tally(8, "ann", 3);
  expected.bought += tally(9, "ann", 1);
  EXPECT_EQ(
      buyers(
          {{"ann", "2,7,r;5,8"}, {"ann/o/8", "3,q"}, {"ann/o/9", "1,,c,back"}, {"ann/r/q", "8"}}),
      expected);
}

TEST(BuyerField, WhatIsOfNoKnownFormIsToldApart) {
  Sales sales;
  for (const auto& [field, value] :
       {std::pair("ann", ""), std::pair("ann", "x,7,"), std::pair("ann", "2,y,"),
        std::pair("ann/z/8", "3,"), std::pair("ann/o/x", "3,"), std::pair("ann/o/8", "")}) {
    EXPECT_FALSE(add_buyer_field(sales, field, value)) << field << " " << value;
  }
  EXPECT_EQ(sales, Sales());
}

TEST(BuyerField, WhatIsOfTheItemOrARestockIsNoOrder) {
  EXPECT_EQ(buyers({{"/", "1"}, {"/r/q", "1"}}), Sales());
}

TEST(Receipt, IsKnownByItsSequenceAndOneThatHoldsNothingIsEmpty) {
  Receipts receipts;
  for (const std::string_view text : {"7 0 0 7 ", "8 4 1 7 headAops", "nonsense", ""})
    add_receipt(receipts, text);
  EXPECT_EQ(receipts, (Receipts{{7, ""}, {8, "8 4 1 7 headAops"}}));
}

class SourcesTest : public testing::Test {
 protected:
  SourcesTest() {
    proxy_ = folder_.write("proxy.toml",
                           "[proxy]\nid = 3\nio_threads = 2\n[redis]\nservers = "
                           "[\"[::1]:6400\"]\n[journal]\ndir = \"j/../journal\"\n");
    flusher_ = folder_.write("flusher.toml",
                             "[journal]\ndir = \"journal\"\n[mysql]\nport = 3307\n[orders]\n"
                             "table = \"bought\"\n[orders.columns]\n\"a,b\" = \"c\"\n");
  }
  std::string refused(const std::vector<std::string>& paths,
                      const base::Config::Overrides& overrides = {}) {
    const auto sources = read_sources(paths, overrides);
    EXPECT_FALSE(sources.ok());
    return sources.ok() ? "" : sources.error().message();
  }

  const test::TempFolder folder_;
  std::string proxy_, flusher_;
};

TEST_F(SourcesTest, AreReadFromTheDaemonsFiles) {
  const auto sources = read_sources({flusher_, proxy_}, {});
  ASSERT_TRUE(sources.ok()) << sources.error().message();
  EXPECT_EQ(sources->redis, (RedisTarget{"::1", 6400, "", ""}));
  EXPECT_EQ(sources->mysql.port, 3307);
  EXPECT_EQ(sources->orders.mapping().config.table, "bought");
  EXPECT_THAT(sources->orders.insert_head("t"), HasSubstr("`c`"));
  ASSERT_EQ(sources->journals.size(), 1u);
  EXPECT_EQ(sources->journals[0].lane, 3u);
}

TEST_F(SourcesTest, OverridesCountOverTheFiles) {
  const auto sources = read_sources(
      {flusher_, proxy_},
      {{"redis.servers", "/run/redis.sock"}, {"proxy.id", "4"}, {"mysql.port", "3308"}});
  ASSERT_TRUE(sources.ok()) << sources.error().message();
  EXPECT_EQ(sources->redis.text(), "/run/redis.sock");
  EXPECT_EQ(sources->journals[0].lane, 4u);
  EXPECT_EQ(sources->mysql.port, 3308);
}

TEST_F(SourcesTest, SeveralProxiesShareRedisAndDatabase) {
  const std::string second = folder_.write("second.toml",
                                           "[proxy]\nid = 4\n[redis]\nservers = [\"[::1]:6400\"]\n"
                                           "[journal]\ndir = \"journal2\"\n");
  const auto sources = read_sources({flusher_, proxy_, second}, {});
  ASSERT_TRUE(sources.ok()) << sources.error().message();
  EXPECT_EQ(sources->journals.size(), 2u);
  EXPECT_THAT(refused({flusher_, proxy_, second}, {{"proxy.id", "4"}}), HasSubstr("proxy.id"));
  EXPECT_THAT(refused({flusher_, proxy_, second}, {{"journal.dir", "journal"}}),
              HasSubstr("journal.dir"));
  const std::string elsewhere =
      folder_.write("elsewhere.toml", "[proxy]\nid = 4\n[journal]\ndir = \"journal2\"\n");
  EXPECT_THAT(refused({flusher_, proxy_, elsewhere}), HasSubstr("another Redis"));
}

TEST_F(SourcesTest, MistakesAreNamed) {
  EXPECT_THAT(refused({proxy_}), HasSubstr("of a flusher is missing"));
  EXPECT_THAT(refused({flusher_}), HasSubstr("of a proxy is missing"));
  EXPECT_THAT(refused({flusher_, proxy_}, {{"proxy.io_threads", "1"}}),
              HasSubstr("--set proxy.io_threads"));
  EXPECT_THAT(refused({flusher_, proxy_}, {{"proxy.id", "1024"}}), HasSubstr("--set proxy.id"));
  EXPECT_THAT(refused({flusher_, proxy_}, {{"redis.servers", "a:1,b:1"}}),
              HasSubstr("redis.servers"));
  EXPECT_THAT(refused({flusher_, proxy_}, {{"redis.servers", "localhost"}}),
              HasSubstr("redis.servers"));
  EXPECT_THAT(refused({flusher_, proxy_, folder_.write("both.toml", "[mysql]\n[redis]\n")}),
              HasSubstr("both.toml"));
  EXPECT_THAT(refused({flusher_, folder_.write("type.toml", "[redis]\n\nservers = \"x:1\"\n")}),
              HasSubstr("type.toml:3: redis.servers"));
  EXPECT_THAT(refused({flusher_, folder_.write("torn.toml", "[redis]\nservers = [\n")}),
              HasSubstr("torn.toml:"));
  const std::string other =
      folder_.write("other.toml", "[mysql]\n[journal]\ndir = \"elsewhere\"\n");
  EXPECT_THAT(refused({proxy_, other}), HasSubstr("elsewhere is the journal of no proxy"));
}

// One item that agrees, and one that MySQL has wrong.
Comparison two_items() {
  ItemComparison phone;
  phone.name = "phone";
  phone.in_journal = true;
  phone.journal.all = {100, {3, 5, 1}, {1, 2, 2}};
  phone.journal.waiting = 7;
  phone.redis.exists = true;
  phone.redis.state.stock = 100;
  phone.redis.state.sold = 3;
  phone.mysql.has_row = true;
  phone.mysql.stock = 100;
  phone.mysql.sold = 4;
  phone.mysql.dead.bought = {2, 2, 9};
  OrderList missing;
  for (uint64_t id = 1; id <= 22; ++id) missing.add(id);
  phone.differences.push_back({Side::kMysql, "missing_orders", "22 orders missing", true, missing});
  phone.differences.push_back({Side::kMysql, "unknown_orders", "1 order unknown", false, {}});
  ItemComparison radio;
  radio.name = "a-very-long-name-of-a-radio";
  radio.journal.all = {1, {}, {}};
  radio.notes.push_back("a note");
  Comparison comparison;
  comparison.items = {phone, radio};
  comparison.retired = {"old"};
  return comparison;
}

TEST(ReconcileTable, IsAlignedAndShowsTheSidesOfWhatDiffers) {
  EXPECT_EQ(
      table_text(two_items(), {}),
      "item                         given  sold  left  orders  cancelled  waiting  dead-lettered\n"
      "phone                          100     3    97       2          1        7              2  "
      "differs\n"
      "  Redis                        100     3    97       ?          ?\n"
      "  MySQL                        100     4    96       0          0\n"
      "    MySQL: 22 orders missing\n"
      "    MySQL: 1 order unknown (--fix leaves it)\n"
      "a-very-long-name-of-a-radio      1     0     1       0          0        0              0  "
      "agrees\n"
      "    a note\n"
      "2 items: 1 differs; 7 records waiting to be drained, 2 orders dead-lettered; not compared: "
      "1 "
      "item retired from the journal\n"
      "The journal's figures are believed; --fix repairs what they prove.\n");
}

TEST(ReconcileTable, OfAnEditedItemRedissNumbersAreNotKnown) {
  Comparison comparison = two_items();
  comparison.items[0].redis.edited = "an item's checksum is wrong";
  EXPECT_THAT(table_text(comparison, {}), HasSubstr("  Redis                          ?     ?"));
  const auto object = boost::json::parse(json_text(comparison, {})).as_object();
  EXPECT_TRUE(object.at("items").as_array()[0].at("redis").at("sold").is_null());
}

TEST(ReconcileTable, TellsWhatAFixHasDone) {
  FixReport fix;
  fix.tried = true;
  fix.orders = 2;
  fix.rebuilt = {"phone"};
  fix.not_rebuilt = {"radio", "tv"};
  fix.refused = {"order 7: MySQL error 4025"};
  EXPECT_THAT(
      table_text(Comparison(), fix),
      HasSubstr("fix: MySQL: 2 orders and 0 items put right; Redis: 1 item rebuilt by the "
                "proxies\nfix: Redis: 2 items not rebuilt yet; are all proxies that sold them "
                "running?\nfix: MySQL refused order 7: MySQL error 4025\n0 items: all "
                "agree;"));
}

TEST(ReconcileJson, HasAllFiguresAndAtMostTwentyIds) {
  const auto object = boost::json::parse(json_text(two_items(), {})).as_object();
  const auto& phone = object.at("items").as_array()[0].as_object();
  EXPECT_FALSE(phone.at("agrees").as_bool());
  EXPECT_EQ(phone.at("journal").at("cancelled_units"), 2);
  EXPECT_EQ(phone.at("mysql").at("given"), 100);
  EXPECT_EQ(phone.at("dead_lettered").at("orders").to_number<int>(), 2);
  const auto& difference = phone.at("differences").as_array()[0];
  EXPECT_EQ(difference.at("orders").to_number<int>(), 22);
  EXPECT_EQ(difference.at("order_ids").as_array().size(), 20u);
  EXPECT_EQ(difference.at("order_ids").as_array()[0], "1");
  EXPECT_TRUE(object.at("items").as_array()[1].at("redis").is_null());
  EXPECT_EQ(object.at("retired").as_array()[0], "old");
  EXPECT_EQ(object.at("summary").at("differ").to_number<int>(), 1);
  EXPECT_FALSE(object.contains("fix"));
}

}  // namespace
}  // namespace sluice::ctl
