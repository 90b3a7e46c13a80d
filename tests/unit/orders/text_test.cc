// The text that goes into MySQL: JSON, dates, rows, and who writes what.
#include <gtest/gtest.h>

#include <optional>

#include "orders/json_text.h"
#include "orders/order_table.h"
#include "orders/partition.h"

namespace sluice::orders {
namespace {

std::string json_fields(std::string_view encoded, std::string_view left_out = "-") {
  std::string out;
  append_json_fields(out, encoded, [&](std::string_view name) { return name == left_out; });
  return out;
}

std::string field(std::string_view name, std::string_view value) {
  std::string encoded;
  journal::append_field(encoded, name, value);
  return encoded;
}

TEST(Utf8, AcceptsExactlyRfc3629) {
  for (const std::string_view good :
       {"", "a", "\xc2\x80", "\xdf\xbf", "\xe0\xa0\x80", "\xed\x9f\xbf", "\xee\x80\x80",
        "\xf0\x90\x80\x80", "\xf4\x8f\xbf\xbf"}) {
    EXPECT_TRUE(is_utf8(good)) << good;
  }
  for (const std::string_view bad :
       {"\x80", "\xc1\x81", "\xc2", "\xe0\x9f\x80", "\xed\xa0\x80", "\xf0\x8f\x80\x80",
        "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xff", "\xe2\x82", "a\xc2"}) {
    EXPECT_FALSE(is_utf8(bad));
  }
}

TEST(JsonFields, HoldAnyBytes) {
  EXPECT_EQ(json_fields(""), "");
  EXPECT_EQ(json_fields(field("a", "x\"\\\n\x01\x7f")), "{\"a\":\"x\\\"\\\\\\u000a\\u0001\x7f\"}");
  EXPECT_EQ(json_fields(field("a", std::string_view("\0", 1))), "{\"a\":\"\\u0000\"}");
  EXPECT_EQ(json_fields(field("a", "\xff\xfe\xfd")), "{\"a\":{\"base64\":\"//79\"}}");
  EXPECT_EQ(json_fields(field("a", "")), "{\"a\":\"\"}");
}

TEST(JsonFields, LastValueOfARepeatedNameCounts) {
  EXPECT_EQ(json_fields(field("a", "1") + field("b", "2") + field("a", "3")),
            "{\"a\":\"3\",\"b\":\"2\"}");
}

TEST(JsonFields, MappedFieldsAreLeftOut) {
  EXPECT_EQ(json_fields(field("a", "1") + field("b", "2"), "a"), "{\"b\":\"2\"}");
  EXPECT_EQ(json_fields(field("a", "1"), "a"), "");
}

TEST(RecordJson, IsReadBackUnchanged) {
  std::string fields = field("note", "caf\xc3\xa9") + field("raw", "\xff");
  journal::Record record;
  record.sequence = UINT64_MAX;
  record.time_ms = 1'764'504'000'123;
  record.item = "phone";
  record.user = "u1";
  record.request = "r1";
  record.order_id = UINT64_MAX;
  record.quantity = 3;
  record.fields = fields;
  std::string storage;
  const auto read = parse_record_json(record_json(record), storage);
  ASSERT_TRUE(read.ok()) << read.error().message();
  EXPECT_EQ(*read, record);
  for (const char* bad : {"", "{}", "[]", "{\"item\":1}", "nonsense"}) {
    EXPECT_FALSE(parse_record_json(bad, storage).ok()) << bad;
  }
}

// An operator may have put it right by hand, to be tried again.
TEST(RecordJson, AnEditedOneIsReadOrRefusedWithinItsBounds) {
  const auto with_fields = [](const std::string& fields) {
    return "{\"item\":\"phone\",\"user\":\"ann\",\"request\":\"\",\"order_id\":\"7\","
           "\"sequence\":1,\"time_ms\":2,\"quantity\":1,\"fields\":{" + fields + "}}";
  };
  std::string storage;
  const auto value = [&](const std::string& fields) -> std::optional<std::string> {
    const auto record = parse_record_json(with_fields(fields), storage);
    if (!record) return std::nullopt;
    std::string_view all = record->fields, name, found;
    EXPECT_TRUE(journal::take_field(all, name, found));
    return std::string(found);
  };
  EXPECT_EQ(value(R"("a":{"base64":"//79"})"), "\xff\xfe\xfd");
  EXPECT_EQ(value(R"("a":{"base64":"//4="})"), "\xff\xfe");
  EXPECT_EQ(value(R"("a":{"base64":"//4"})"), "\xff\xfe") << "without its padding";
  EXPECT_EQ(value(R"("a":{"base64":"/w"})"), "\xff");
  EXPECT_EQ(value(R"("a":{"base64":"/w==/w=="})"), std::nullopt);
  EXPECT_EQ(value(R"("a":{"base64":"/w*"})"), std::nullopt);
  EXPECT_EQ(value("\"" + std::string(255, 'n') + "\":\"v\""), "v");
  EXPECT_EQ(value("\"" + std::string(256, 'n') + "\":\"v\""), std::nullopt);
  EXPECT_EQ(value("\"a\":\"" + std::string(65'535, 'v') + "\""), std::string(65'535, 'v'));
  EXPECT_EQ(value("\"a\":\"" + std::string(65'536, 'v') + "\""), std::nullopt);
}

TEST(Datetime, IsUtcAndStaysWithinMysqlsYears) {
  const auto text = [](int64_t ms) {
    std::string out;
    append_datetime(out, ms);
    return out;
  };
  EXPECT_EQ(text(0), "'1970-01-01 00:00:00.000'");
  EXPECT_EQ(text(1'709'164'799'999), "'2024-02-28 23:59:59.999'");
  EXPECT_EQ(text(1'709'164'800'000), "'2024-02-29 00:00:00.000'");
  EXPECT_EQ(text(-1), "'1969-12-31 23:59:59.999'");
  EXPECT_EQ(text(INT64_MAX), "'9999-12-31 23:59:59.999'");
  EXPECT_EQ(text(INT64_MIN), "'1000-01-01 00:00:00.000'");
}

TEST(OrderTable, NamesAreChecked) {
  EXPECT_TRUE(OrderTable::create({.table = "Orders_2026", .columns = {{"a.b", "col$1"}}}).ok());
  for (const char* table :
       {"", "a ", "a`b", "a/b", "a.", ".b", "a.b.c", "a{x}", "items", "ITEMS", "sluice_checkpoint",
        "sluice_dead_letter", "sluice_deleted_item", "sluice_early_change"}) {
    EXPECT_FALSE(OrderTable::create({.table = table}).ok()) << table;
  }
  EXPECT_FALSE(OrderTable::create({.table = std::string(65, 'a')}).ok());
  EXPECT_TRUE(OrderTable::create({.table = std::string(64, 'a')}).ok());
  for (const char* column : {"", "order_id", "ORDER_ID", "fields", "a`", "a\nb"}) {
    EXPECT_FALSE(OrderTable::create({.columns = {{"f", column}}}).ok()) << column;
  }
  EXPECT_FALSE(OrderTable::create({.columns = {{"f", "x"}, {"g", "X"}}}).ok());
}

TEST(OrderTable, RowsAsValuesTakeNoMoreThanWasSaid) {
  const auto table = *OrderTable::create({.columns = {{"a", "a"}, {"missing", "m"}}});
  const std::string name(255, 'n');
  for (const std::string& value :
       {std::string(), std::string(1000, '\0'), std::string(1000, '\xff'), std::string("\xff"),
        std::string(1000, '"')}) {
    journal::Record order;
    order.item = order.user = order.request = name;
    order.order_id = UINT64_MAX;
    order.quantity = INT64_MIN;
    std::string fields;
    for (const char* field : {"", "a", "b", "c"}) journal::append_field(fields, field, value);
    order.fields = fields;
    const OrderRow row{&order, OrderStatus::kCancelled, 1};
    sql::BulkRows rows(table.bulk_types(), 1);
    table.append_row(rows, row);
    EXPECT_EQ(rows.rows(), 1u);
    EXPECT_GT(rows.bytes(), 0u);
    EXPECT_LE(rows.bytes(), table.bulk_bytes_max(row)) << value.size();
  }
}

journal::Record record_of(journal::RecordType type, std::string_view item, uint64_t order_id = 0) {
  journal::Record record;
  record.type = type;
  record.item = item;
  record.order_id = order_id;
  return record;
}

TEST(Partition, IsTheOneThatStoredCheckpointsRelyOn) {
  using journal::RecordType;
  // Values of the first release: whoever changes them must repartition what is stored.
  std::string writers;
  for (uint64_t ms = 0; ms < 80; ms += 8) {
    const uint64_t id = (384'000'000'000 + ms) << 22 | 7 << 12 | 99;
    writers += std::to_string(writer_of(record_of(RecordType::kBuy, "phone", id), 7));
  }
  EXPECT_EQ(writers, "1234560123");
  writers.clear();
  for (const char* item : {"phone", "a", "b", "c", "d", "e", "f", "g"}) {
    writers += std::to_string(writer_of(record_of(RecordType::kCreate, item), 7));
  }
  EXPECT_EQ(writers, "30266666");
}

TEST(Partition, KeepsWhatMustStayInOrderTogether) {
  using journal::RecordType;
  for (uint64_t order_id = 1; order_id != 0; order_id <<= 1) {
    auto buy = record_of(RecordType::kBuy, "phone", order_id);
    auto cancel = record_of(RecordType::kCancel, "phone", order_id);
    buy.user = "u1";
    cancel.request = "r2";
    EXPECT_EQ(writer_of(cancel, 7), writer_of(buy, 7)) << order_id;
    EXPECT_EQ(writer_of(buy, 1), 0u);
  }
  for (const auto type : {RecordType::kRestock, RecordType::kClose, RecordType::kReopen}) {
    EXPECT_EQ(writer_of(record_of(type, "phone"), 7),
              writer_of(record_of(RecordType::kCreate, "phone"), 7));
  }
}

// In runs, so that each writer fills whole pages, but not longer ones than its queue holds.
TEST(Partition, SpreadsOneItemsOrdersInRuns) {
  int counts[3] = {};
  int runs = 0;
  uint32_t last = 3;
  for (uint64_t i = 0; i < 240'000; ++i) {
    const uint64_t id = (384'000'000'000 + i / 100) << 22 | i % 100;  // 100 a ms
    const uint32_t writer = writer_of(record_of(journal::RecordType::kBuy, "phone", id), 3);
    ++counts[writer];
    runs += writer != last;
    last = writer;
  }
  for (const int count : counts) EXPECT_EQ(count, 80'000);
  EXPECT_EQ(runs, 300);
}

}  // namespace
}  // namespace sluice::orders
