// A shop's own orders table: names, statuses, constants, tables by item or month.
#include "orders/mapping.h"

#include <gtest/gtest.h>

#include "orders/order_table.h"

namespace sluice::orders {
namespace {

// 2026-11-30 16:30:00 UTC, which is December in Shanghai.
constexpr uint64_t kId = (1'796'056'200'000ull - journal::kIdEpochMs) << 22 | 7 << 12 | 1;

std::string error_of(const MappingConfig& config) {
  const auto mapping = Mapping::create(config);
  return mapping ? "" : mapping.error().message();
}

journal::Record order() {
  journal::Record record;
  record.item = "phone", record.user = "42", record.order_id = kId, record.quantity = 2;
  record.time_ms = 1'796'056'200'000;
  return record;
}

TEST(TableTemplate, FillsInWhatTheOrderTells) {
  const auto name = [](const std::string& text, const std::string& zone = "UTC") {
    const auto table = TableTemplate::parse(text, zone);
    return table ? table->name("phone", kId) : table.error().message();
  };
  EXPECT_EQ(name("orders"), "orders");
  EXPECT_EQ(name("shop.orders"), "orders");
  EXPECT_EQ(name("o_{item}_x"), "o_phone_x");
  EXPECT_EQ(name("o_{yyyymm}"), "o_202611");
  EXPECT_EQ(name("o_{yyyymm}", "Asia/Shanghai"), "o_202612");
  EXPECT_EQ(name("s.o_{yyyymmdd}"), "o_20261130");
  EXPECT_EQ(name("o{yyyy}{item}"), "o2026phone");
}

TEST(TableTemplate, PatternMatchesItsNamesOnly) {
  EXPECT_EQ(TableTemplate::parse("o-_{yyyymm}", "UTC")->pattern(), "^o[-]_[0-9]{6}$");
  EXPECT_EQ(TableTemplate::parse("a.b_{item}", "UTC")->pattern(), "^b_.+$");
}

TEST(Mapping, WrongOnesAreNamedByTheirKey) {
  EXPECT_EQ(error_of({}), "");
  const std::pair<MappingConfig, const char*> wrong[] = {
      {{.table = "o_{week}"}, "orders.table: \"o_{week}\": after {"},
      {{.table = "items"}, "orders.table: \"items\" is another table's"},
      {{.time_zone = "Mars"}, "orders.time_zone: \"Mars\" is not known"},
      {{.names = {{"nothing", "x"}}}, "orders.names.nothing: there is no such column"},
      {{.names = {{"status", ""}}}, "orders.names.status: it cannot be left out"},
      {{.names = {{"user_id", "STATUS"}}}, "orders.names.status: column \"status\" is written"},
      {{.columns = {{"f", "item_id"}}}, "orders.columns.f: column \"item_id\" is written"},
      {{.constants = {{"a`b", "1"}}}, "orders.constants.a`b: \"a`b\" is no name"},
      {{.statuses = {{"open", "1"}}}, "orders.statuses.open: there is no such status"},
      {{.statuses = {{"paid", "placed"}}}, "orders.statuses: placed and paid are both"},
      {{.when_over = {{"live", ""}}}, "orders.when_over.live: name what it holds of a live order"},
  };
  for (const auto& [config, message] : wrong)
    EXPECT_TRUE(error_of(config).starts_with(message)) << error_of(config);
  EXPECT_EQ(error_of({.table = "shop.items"}), "") << "which is not Sluice's own";
  EXPECT_EQ(error_of({.statuses = {{"expired", "cancelled"}}}), "");
}

TEST(OrderTable, WritesWhatTheMappingSays) {
  const auto table = *OrderTable::create({.table = "shop.t_{item}",
                                          .names = {{"order_id", "no"},
                                                    {"request_id", ""},
                                                    {"fields", ""},
                                                    {"created_at", ""},
                                                    {"updated_at", ""}},
                                          .columns = {{"note", "memo"}},
                                          .constants = {{"live", "1"}, {"shop", "7"}},
                                          .statuses = {{"placed", "0"}, {"expired", "9"}},
                                          .when_over = {{"live", ""}}});
  const journal::Record record = order();
  EXPECT_EQ(table.table_of(record), "`shop`.`t_phone`");
  EXPECT_EQ(table.insert_head("t"),
            "INSERT INTO t (`no`, `item_id`, `user_id`, `quantity`, `status`, `memo`, `live`, "
            "`shop`) VALUES ");
  std::string row;
  table.append_row(row, {&record});
  EXPECT_EQ(row, "(" + std::to_string(kId) + ",'phone','42',2,'0',NULL,'1','7')");
  row.clear();
  table.append_row(row, {&record, OrderStatus::kExpired, 5});
  EXPECT_EQ(row, "(" + std::to_string(kId) + ",'phone','42',2,'9',NULL,NULL,'7')");
  EXPECT_EQ(table.change("t", OrderStatus::kPaid, "x", "1"),
            "UPDATE t SET `status` = 'paid' WHERE `no` IN (1)");
  EXPECT_EQ(table.change("t", OrderStatus::kCancelled, "x", "1"),
            "UPDATE t SET `status` = 'cancelled', `live` = NULL WHERE `no` IN (1)");
  EXPECT_EQ(table.status_of("0"), OrderStatus::kPlaced);
  EXPECT_EQ(table.status_of("9"), OrderStatus::kExpired);
  EXPECT_EQ(table.status_of("shipped"), OrderStatus::kPaid) << "the shop's own";
}

TEST(OrderTable, NumbersAreWrittenAsMysqlWritesThemOrNotAtAll) {
  OrderTable table;
  journal::Record record = order();
  record.user = "ann";
  EXPECT_EQ(table.unfit(record), "");
  table.know(false, true);
  for (const char* user : {"ann", "1e3", "1.5", "007", "-", "+7", ""}) {
    record.user = user;
    EXPECT_NE(table.unfit(record), "") << user;
  }
  for (const char* user : {"0", "7", "-7", "18446744073709551615"}) {
    record.user = user;
    EXPECT_EQ(table.unfit(record), "") << user;
  }
}

}  // namespace
}  // namespace sluice::orders
