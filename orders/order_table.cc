#include "orders/order_table.h"

#include <algorithm>
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

void append_value(std::string& out, std::optional<std::string_view> value) {
  if (!value) {
    out += "NULL";
  } else if (is_utf8(*value)) {
    sql::append_quoted(out, *value);
  } else {
    sql::append_hex(out, *value);  // a literal in the session's utf8mb4 would be malformed
  }
}

}  // namespace

void append_datetime(std::string& out, int64_t time_ms) {
  using namespace std::chrono;
  const sys_time<milliseconds> time(milliseconds(std::clamp(time_ms, kTimeMin, kTimeMax)));
  const auto day = floor<days>(time);
  const year_month_day date(day);
  const auto of_day = static_cast<unsigned>((time - day).count());
  out += '\'';
  append_padded(out, static_cast<unsigned>(static_cast<int>(date.year())), 4);
  out += '-';
  append_padded(out, static_cast<unsigned>(date.month()), 2);
  out += '-';
  append_padded(out, static_cast<unsigned>(date.day()), 2);
  out += ' ';
  append_padded(out, of_day / 3'600'000, 2);
  out += ':';
  append_padded(out, of_day / 60'000 % 60, 2);
  out += ':';
  append_padded(out, of_day / 1000 % 60, 2);
  out += '.';
  append_padded(out, of_day % 1000, 3);
  out += '\'';
}

std::string OrderTable::column_list(const std::vector<Column>& columns) {
  std::string list;
  for (const std::string_view own : kOwnColumns) list += std::string(own) + ", ";
  list.resize(list.size() - 2);
  for (const Column& column : columns) list += ", `" + column.name + "`";
  return list;
}

OrderTable::OrderTable(std::string name, std::vector<Column> columns)
    : name_(std::move(name)),
      columns_(std::move(columns)),
      column_list_(column_list(columns_)),
      insert_head_("INSERT INTO `" + name_ + "` (" + column_list_ + ") VALUES ") {}

Result<OrderTable> OrderTable::create(const std::string& table,
                                      const std::map<std::string, std::string>& columns) {
  const auto invalid = [](const std::string& message) {
    return Error(ErrorClass::kInvalid, message);
  };
  const std::string identifier = " is not a name of 1 to 64 letters, digits, _ or $";
  if (!sql::is_identifier(table)) return invalid("orders.table: \"" + table + "\"" + identifier);
  for (const std::string_view taken :
       {"items", "sluice_checkpoint", "sluice_dead_letter", "sluice_early_cancel"}) {
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
  out += row.cancelled_ms == 0 ? ",'placed'," : ",'cancelled',";
  if (order.request.empty()) {
    out += "NULL";
  } else {
    sql::append_quoted(out, order.request);
  }
  out += ',';
  append_datetime(out, order.time_ms);
  out += ',';
  append_datetime(out, row.cancelled_ms == 0 ? order.time_ms : row.cancelled_ms);
  out += ',';
  std::string json;
  append_json_fields(json, order.fields, [this](std::string_view field) {
    return std::any_of(columns_.begin(), columns_.end(),
                       [&](const Column& column) { return column.field == field; });
  });
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

std::string OrderTable::probe() const {
  return "SELECT " + column_list_ + " FROM " + quoted_name() + " LIMIT 0";
}

}  // namespace sluice::orders
