// The tables that a mapping needs, and whether those that are there take its orders.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "orders/order_table.h"
#include "sql/connection.h"

namespace sluice::orders {

// conf/schema.sql's statements for this mapping. Of a table whose name has places to be filled in
// there is none: each is made when its first order comes.
std::vector<std::string> schema_statements(const OrderTable& orders, bool with_field_columns);
// Runs them all. Each may be run again. Columns for FIELDS are not made: which types they have the
// shop knows.
std::optional<sql::Failure> apply_schema(sql::Connection& connection, const OrderTable& orders);
// The same as text, for people.
std::string schema_text(const OrderTable& orders);

struct SchemaReport {
  std::vector<std::string> errors;    // no order would go in, or none safely
  std::vector<std::string> warnings;  // some would not
  bool item_is_number = false, user_is_number = false;

  // "": none.
  std::string first_error() const { return errors.empty() ? "" : errors.front(); }
};

// Makes the tables that these records' orders go into. Outside of a transaction: it would end it.
std::optional<sql::Failure> make_tables(sql::Connection& connection, const OrderTable& orders,
                                        std::span<const journal::Record> records);

// Judges a table by what information_schema tells of it; ends the transaction. Each line names
// table and column, and says what to do.
std::optional<sql::Failure> check_table(sql::Connection& connection, const OrderTable& orders,
                                        const std::string& table, SchemaReport& report);
// The tables of the mapping that are there: of many the last ones, by name.
std::optional<sql::Failure> check_tables(sql::Connection& connection, const OrderTable& orders,
                                         SchemaReport& report);
// The same, and the table is told what the live ones are like.
std::optional<sql::Failure> learn(sql::Connection& connection, OrderTable& orders,
                                  SchemaReport& report);
// Their names.
std::optional<sql::Failure> find_tables(sql::Connection& connection, const OrderTable& orders,
                                        std::vector<std::string>& tables);

}  // namespace sluice::orders
