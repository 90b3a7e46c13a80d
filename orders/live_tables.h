// What the flusher needs of the tables that are there, before it looks at the shop's own columns
// (schema.h): that they are there with their columns, and that a transaction on them can roll back.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "orders/order_table.h"
#include "sql/connection.h"

namespace sluice::orders {

// Sluice's own tables, in the order of conf/schema.sql.
std::vector<std::string> own_tables();

// Reads no row of each table; the failure says which table or column is missing, or not allowed.
std::optional<sql::Failure> probe_tables(sql::Connection& connection, const OrderTable& orders);

struct TableEngine {
  std::string table, engine;

  // "table T has the engine E, which …", and what to do about it.
  std::string text() const;
  std::string remedy() const;
};
// Those whose engine knows no transactions. Ends the transaction.
std::optional<sql::Failure> find_engines_without_rollback(sql::Connection& connection,
                                                          const OrderTable& orders,
                                                          std::vector<TableEngine>& found);

}  // namespace sluice::orders
