#include "orders/order_table.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <optional>
#include <set>

#include "orders/json_text.h"
#include "sql/connection.h"

namespace sluice::orders {
namespace {

constexpr std::string_view kOwnColumns[] = {"order_id",   "item_id",    "user_id",
                                            "quantity",   "status",     "request_id",
                                            "created_at", "updated_at", "fields"};
constexpr auto kOwnTypes = [] {
  using enum sql::BulkRows::Type;
  return std::array{kUnsigned, kText, kText, kSigned, kText, kText, kDateTime, kDateTime, kText};
}();
static_assert(kOwnTypes.size() == std::size(kOwnColumns));
// A row's numbers, times and status as values, and what every cell takes beside its value.
constexpr size_t kBulkRowBytes = 200;
constexpr size_t kBulkCellBytes = 10;
constexpr int64_t kTimeMin = -30'610'224'000'000;  // 1000-01-01 00:00:00.000
constexpr int64_t kTimeMax = 253'402'300'799'999;  // 9999-12-31 23:59:59.999

std::string lower(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  return out;
}

void append_number(std::string& out, uint64_t number) {
  char text[20];
  out.append(text, std::to_chars(text, text + sizeof text, number).ptr);
}

void append_padded(std::string& out, unsigned number, int digits) {
  char text[4];
  for (int i = digits; i-- > 0; number /= 10) text[i] = static_cast<char>('0' + number % 10);
  out.append(text, static_cast<size_t>(digits));
}

std::optional<std::string_view> find_field(std::string_view fields, std::string_view wanted) {
  std::optional<std::string_view> found;  // the last one counts, as in the JSON column
  std::string_view name;
  std::string_view value;
  while (journal::take_field(fields, name, value)) {
    if (name == wanted) found = value;
  }
  return found;
}

sql::DateTime datetime_of(int64_t time_ms) {
  using namespace std::chrono;
  const sys_time<milliseconds> time(milliseconds(std::clamp(time_ms, kTimeMin, kTimeMax)));
  const auto day = floor<days>(time);
  const year_month_day date(day);
  const auto of_day = static_cast<unsigned>((time - day).count());
  return {static_cast<unsigned>(static_cast<int>(date.year())),
          static_cast<unsigned>(date.month()),
          static_cast<unsigned>(date.day()),
          of_day / 3'600'000,
          of_day / 60'000 % 60,
          of_day / 1000 % 60,
          of_day % 1000};
}

void append_value(std::string& out, std::optional<std::string_view> value) {
  if (!value) {
    out += "NULL";
  } else if (is_utf8(*value)) {
    sql::append_quoted(out, *value);
  } else {
    sql::append_hex(out, *value);  // as characters it would be malformed
  }
}

}  // namespace

std::string datetime_or_null(int64_t time_ms) {
  std::string out;
  if (time_ms == 0) return "NULL";
  append_datetime(out, time_ms);
  return out;
}

void append_datetime(std::string& out, int64_t time_ms) {
  const sql::DateTime time = datetime_of(time_ms);
  out += '\'';
  append_padded(out, time.year, 4);
  out += '-';
  append_padded(out, time.month, 2);
  out += '-';
  append_padded(out, time.day, 2);
  out += ' ';
  append_padded(out, time.hour, 2);
  out += ':';
  append_padded(out, time.minute, 2);
  out += ':';
  append_padded(out, time.second, 2);
  out += '.';
  append_padded(out, time.millisecond, 3);
  out += '\'';
}

OrderTable::OrderTable(std::string name, std::vector<Column> columns)
    : name_(std::move(name)),
      columns_(std::move(columns)),
      bulk_types_(kOwnTypes.begin(), kOwnTypes.end()) {
  for (const std::string_view own : kOwnColumns) column_list_ += std::string(own) + ", ";
  column_list_.resize(column_list_.size() - 2);
  for (const Column& column : columns_) column_list_ += ", " + sql::in_backticks(column.name);
  insert_head_ = "INSERT INTO " + quoted_name() + " (" + column_list_ + ") VALUES ";
  bulk_types_.resize(kOwnTypes.size() + columns_.size(), sql::BulkRows::Type::kText);
  bulk_insert_ = insert_head_ + "(?";
  for (size_t i = 1; i < bulk_types_.size(); ++i) bulk_insert_ += ",?";
  bulk_insert_ += ')';
}

Result<OrderTable> OrderTable::create(const std::string& table,
                                      const std::map<std::string, std::string>& columns) {
  const auto invalid = [](const std::string& message) {
    return Error(ErrorClass::kInvalid, message);
  };
  const std::string identifier = " is no name: 1 to 64 characters, without ` . / \\";
  if (!sql::is_identifier(table)) return invalid("orders.table: \"" + table + "\"" + identifier);
  for (const std::string_view taken :
       {"items", "sluice_checkpoint", "sluice_dead_letter", "sluice_deleted_item",
        "sluice_early_change", "sluice_journal"}) {
    if (lower(table) == taken) return invalid("orders.table: \"" + table + "\" is another table's");
  }
  std::set<std::string> names;
  for (const std::string_view own : kOwnColumns) names.emplace(own);
  std::vector<Column> mapped;
  for (const auto& [field, column] : columns) {
    const std::string key = "orders.columns." + field + ": \"" + column + "\"";
    if (!sql::is_identifier(column)) return invalid(key + identifier);
    if (!names.insert(lower(column)).second) {
      return invalid(key + " is a column of Sluice's own or named twice");
    }
    mapped.push_back({field, column});
  }
  return OrderTable(table, std::move(mapped));
}

void OrderTable::append_row(std::string& out, const OrderRow& row) const {
  const journal::Record& order = *row.record;
  out += '(';
  append_number(out, order.order_id);
  out += ',';
  sql::append_quoted(out, order.item);
  out += ',';
  sql::append_quoted(out, order.user);
  out += ',';
  out += std::to_string(order.quantity);
  out.append(",'").append(word_of(row.status)).append("',");
  if (order.request.empty()) {
    out += "NULL";
  } else {
    sql::append_quoted(out, order.request);
  }
  out += ',';
  append_datetime(out, order.time_ms);
  out += ',';
  append_datetime(out, row.changed_ms == 0 ? order.time_ms : row.changed_ms);
  out += ',';
  const std::string json = fields_json(order);
  if (json.empty()) {
    out += "NULL";
  } else {
    sql::append_quoted(out, json);
  }
  for (const Column& column : columns_) {
    out += ',';
    append_value(out, find_field(order.fields, column.field));
  }
  out += ')';
}

void OrderTable::append_row(sql::BulkRows& out, const OrderRow& row) const {
  const journal::Record& order = *row.record;
  out.add_unsigned(order.order_id);
  out.add_text(order.item);
  out.add_text(order.user);
  out.add_signed(order.quantity);
  out.add_text(word_of(row.status));
  if (order.request.empty()) {
    out.add_null();
  } else {
    out.add_text(order.request);
  }
  out.add_datetime(datetime_of(order.time_ms));
  out.add_datetime(datetime_of(row.changed_ms == 0 ? order.time_ms : row.changed_ms));
  const std::string json = fields_json(order);
  if (json.empty()) {
    out.add_null();
  } else {
    out.add_copy(json);
  }
  for (const Column& column : columns_) {
    if (const auto value = find_field(order.fields, column.field)) {
      out.add_text(*value);
    } else {
      out.add_null();
    }
  }
}

size_t OrderTable::bulk_bytes_max(const OrderRow& row) const {
  const journal::Record& order = *row.record;
  // As JSON a byte of the fields becomes 6 at most ("\u0000"); all may be in columns besides.
  return kBulkRowBytes + order.item.size() + order.user.size() + order.request.size() +
         7 * order.fields.size() + columns_.size() * kBulkCellBytes;
}

// Of the fields that have no column; empty: there are none.
std::string OrderTable::fields_json(const journal::Record& order) const {
  std::string json;
  append_json_fields(json, order.fields, [this](std::string_view field) {
    return std::any_of(columns_.begin(), columns_.end(),
                       [&](const Column& column) { return column.field == field; });
  });
  return json;
}

std::string OrderTable::change(OrderStatus status, const std::string& times,
                               const std::string& ids) const {
  return "UPDATE " + quoted_name() + " SET status = '" + std::string(word_of(status)) +
         "', updated_at = " + times + " WHERE order_id IN (" + ids + ")";
}

std::string OrderTable::find_one(const journal::Record& order) const {
  std::string select = "SELECT quantity FROM " + quoted_name() +
                       " WHERE order_id = " + std::to_string(order.order_id) + " AND item_id = ";
  sql::append_quoted(select, order.item);
  select += " AND user_id = ";
  sql::append_quoted(select, order.user);
  return select;
}

std::string OrderTable::probe() const {
  return "SELECT " + column_list_ + " FROM " + quoted_name() + " LIMIT 0";
}

}  // namespace sluice::orders
