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
  EXPECT_TRUE(OrderTable::create("Orders_2026", {{"a.b", "col$1"}}).ok());
  for (const char* table : {"", "a b", "a`b", "a.b", "items", "ITEMS", "sluice_checkpoint",
                            "sluice_dead_letter", "sluice_early_cancel"}) {
    EXPECT_FALSE(OrderTable::create(table, {}).ok()) << table;
  }
  EXPECT_FALSE(OrderTable::create(std::string(65, 'a'), {}).ok());
  EXPECT_TRUE(OrderTable::create(std::string(64, 'a'), {}).ok());
  for (const char* column : {"", "order_id", "ORDER_ID", "fields", "a`", "a,b"}) {
    EXPECT_FALSE(OrderTable::create("orders", {{"f", column}}).ok()) << column;
  }
  EXPECT_FALSE(OrderTable::create("orders", {{"f", "x"}, {"g", "X"}}).ok());
}

TEST(Partition, IsTheOneThatStoredCheckpointsRelyOn) {
  journal::Record buy;
  buy.type = journal::RecordType::kBuy;
  buy.item = "phone";
  journal::Record create = buy;
  create.type = journal::RecordType::kCreate;
  // Values of the first release: whoever changes them must repartition what is stored.
  std::string writers;
  for (const char* user : {"u1", "u2", "u3", "u4", "u5", "u6", "u7", "u8"}) {
    buy.user = user;
    writers += std::to_string(writer_of(buy, 7));
    journal::Record cancel = buy;
    cancel.type = journal::RecordType::kCancel;
    cancel.order_id = 99;
    EXPECT_EQ(writer_of(cancel, 7), writer_of(buy, 7));
    EXPECT_EQ(writer_of(buy, 1), 0u);
  }
  EXPECT_EQ(writers, "55452563");
  journal::Record close = create;
  close.type = journal::RecordType::kClose;
  close.user = "somebody";
  EXPECT_EQ(writer_of(create, 7), writer_of(close, 7));
}

TEST(Partition, SpreadsOneItemsBuyersEvenly) {
  journal::Record buy;
  buy.item = "phone";
  int counts[3] = {};
  for (int i = 0; i < 30'000; ++i) {
    const std::string user = std::to_string(i);
    buy.user = user;
    ++counts[writer_of(buy, 3)];
  }
  for (const int count : counts) EXPECT_NEAR(count, 10'000, 500);
}

}  // namespace
}  // namespace sluice::orders
