// The shop's orders table, or tables: the SQL that puts orders into it, finds and changes them.
//
// How the table is called, its columns and its statuses, the Mapping says (mapping.h). FIELDS that
// have a column of their own go there as the bytes that the client sent; all others into the JSON
// column (json_text.h says how). Constant once the live table is known; used by all writer threads.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "journal/record.h"
#include "orders/datetime.h"
#include "orders/mapping.h"
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
  OrderTable() : OrderTable(*Mapping::create({})) {}
  explicit OrderTable(Mapping mapping);
  // As Mapping::create().
  static Result<OrderTable> create(const MappingConfig& config);

  const Mapping& mapping() const { return mapping_; }
  // A table that gets a row of each order besides, in the same transaction; nullptr: there is none.
  const OrderTable* details() const { return details_.get(); }
  void set_details(OrderTable details) {
    details_ = std::make_shared<const OrderTable>(std::move(details));
  }
  bool is_one_table() const { return mapping_.table.is_one_table(); }
  // The table that the order is in, for SQL: "`orders`", "`shop`.`orders_202612`".
  std::string table_of(const journal::Record& order) const;
  std::string quoted(const std::string& name) const;
  // "`user_id`", or what it is called there.
  std::string column(OwnColumn column) const { return sql::in_backticks(mapping_.name(column)); }

  // Of the live table: whether items or users are whole numbers there.
  void know(bool item_is_number, bool user_is_number);
  // Why the table would take another value for what the order has, before it is even asked; "": it
  // does not. MySQL turns '1e3' into 1000 and '1.5' into 2.
  std::string unfit(const journal::Record& order) const;

  // "INSERT INTO `orders` (order_id, …) VALUES "
  std::string insert_head(const std::string& table) const;
  // Appends "(…)".
  void append_row(std::string& out, const OrderRow& row) const;
  // The same row as values, for bulk_insert(): one for each of bulk_types(). Views into the record
  // and this table, which must stay.
  void append_row(sql::BulkRows& out, const OrderRow& row) const;
  // What it adds to out.bytes(), at most.
  size_t bulk_bytes_max(const OrderRow& row) const;
  // "INSERT INTO `orders` (order_id, …) VALUES (?,…)"
  std::string bulk_insert(const std::string& table) const;
  const std::vector<sql::BulkRows::Type>& bulk_types() const { return bulk_types_; }

  // Of what stands in the status column. What is none of ours the shop has set: for us it is paid.
  OrderStatus status_of(const std::optional<std::string>& text) const;
  // Rows of these orders, order_id rising: order_id, item_id, user_id, quantity, status.
  std::string find(const std::string& table, const std::string& ids, bool lock) const;
  // The quantity of an order's very own row, or nothing.
  std::string find_one(const journal::Record& order) const;
  // The UPDATE to a status: `times` is an expression of `order_id`, `ids` a list.
  std::string change(const std::string& table, OrderStatus status, const std::string& times,
                     const std::string& ids) const;
  // What it sets, without the WHERE clause.
  std::string set_status(OrderStatus status, const std::string& time) const;
  // " WHERE …", of an order's very own row.
  std::string where(const journal::Record& order) const;
  // Holds of rows whose status is one of these.
  std::string has_status(const std::vector<OrderStatus>& statuses) const;

  // What stands behind FROM to read the orders of these tables under our names and statuses.
  std::string view(const std::vector<std::string>& tables) const;
  // Finds the names of all the tables that there are and have our orders: one column.
  std::string find_tables() const;
  // The statement that makes one; of the columns for FIELDS the types are only a guess.
  std::string create_statement(const std::string& table, bool with_field_columns = true) const;

 private:
  // What a row holds in each column, in order.
  struct Column {
    enum class Kind : uint8_t { kOwn, kField, kConstant } kind;
    OwnColumn own = OwnColumn::kOrderId;
    std::string name;                                // theirs
    std::string text;                                // kField: its name; kConstant: its value
    std::optional<std::optional<std::string>> over;  // kConstant: its value once it is over
  };

  std::string fields_json(const journal::Record& order) const;
  void append_own(std::string& out, OwnColumn column, const OrderRow& row) const;
  void append_own(sql::BulkRows& out, OwnColumn column, const OrderRow& row) const;
  static std::optional<std::string_view> constant(const Column& column, OrderStatus status);

  Mapping mapping_;
  std::vector<Column> columns_;
  std::string column_list_;
  std::vector<sql::BulkRows::Type> bulk_types_;
  bool item_is_number_ = false, user_is_number_ = false;
  std::shared_ptr<const OrderTable> details_;
};

}  // namespace sluice::orders
