// The orders table as configured, and the text of its rows: `orders.table`, `orders.columns`.
//
// FIELDS named in orders.columns go into columns of their own, as the bytes that the client sent;
// all others into the JSON column `fields` (json_text.h says how). Constant after start-up; used by
// all writer threads.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "journal/record.h"
#include "orders/order_status.h"
#include "sql/bulk_rows.h"
#include "sql/connection.h"

namespace sluice::orders {

// One order as it goes into the table.
struct OrderRow {
  const journal::Record* record = nullptr;  // a kBuy
  OrderStatus status = OrderStatus::kPlaced;
  int64_t changed_ms = 0;  // when that was; 0: when it was placed
};

class OrderTable {
 public:
  OrderTable() : OrderTable("orders", {}) {}  // no columns of its own
  // kInvalid: a name that is no identifier, a column named twice or one of Sluice's own.
  static Result<OrderTable> create(const std::string& table,
                                   const std::map<std::string, std::string>& columns);

  const std::string& name() const { return name_; }
  // "`orders`"
  std::string quoted_name() const { return sql::in_backticks(name_); }
  // "INSERT INTO `orders` (order_id, …) VALUES "
  const std::string& insert_head() const { return insert_head_; }
  // Appends "(…)".
  void append_row(std::string& out, const OrderRow& row) const;

  // The same row as values, for bulk_insert(): one for each of bulk_types(). Views into the record,
  // which must stay.
  void append_row(sql::BulkRows& out, const OrderRow& row) const;
  // What it adds to out.bytes(), at most.
  size_t bulk_bytes_max(const OrderRow& row) const;
  // "INSERT INTO `orders` (order_id, …) VALUES (?,…)"
  const std::string& bulk_insert() const { return bulk_insert_; }
  const std::vector<sql::BulkRows::Type>& bulk_types() const { return bulk_types_; }

  // Of what stands in the status column; of what no Sluice has written there: kPlaced.
  OrderStatus status_of(const std::optional<std::string>& text) const {
    return status_of_word(text.value_or("")).value_or(OrderStatus::kPlaced);
  }
  // The UPDATE to a status: `times` is an expression of order_id, `ids` a list.
  std::string change(OrderStatus status, const std::string& times, const std::string& ids) const;

  // Finds the very row of an order, or none.
  std::string find_one(const journal::Record& order) const;

  // A statement that fails if the table or a column is missing, and returns no row.
  std::string probe() const;

 private:
  struct Column {
    std::string field;
    std::string name;
  };
  OrderTable(std::string name, std::vector<Column> columns);

  std::string fields_json(const journal::Record& order) const;

  std::string name_;
  std::vector<Column> columns_;
  std::string column_list_;
  std::string insert_head_;
  std::string bulk_insert_;
  std::vector<sql::BulkRows::Type> bulk_types_;
};

// Appends '2026-11-30 12:00:00.123' in UTC; times outside of DATETIME's years 1000–9999 become the
// nearest limit.
void append_datetime(std::string& out, int64_t time_ms);
// NULL for 0.
std::string datetime_or_null(int64_t time_ms);

}  // namespace sluice::orders
