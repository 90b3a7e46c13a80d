#include "bench/order_check.h"

#include "sql/schema.h"

namespace sluice::bench {
namespace {

std::string text_at(const sql::Row& row, size_t column) { return row[column].value_or("NULL"); }

// "item: accepted 10, MySQL holds 9 orders …", or nothing if all agree.
Result<std::string> difference(sql::Connection& connection, const std::string& item,
                               uint64_t accepted) {
  std::string query =
      "SELECT COUNT(*), COUNT(DISTINCT user_id), COALESCE(SUM(quantity), 0), "
      "(SELECT sold FROM items WHERE item_id = ";
  sql::append_quoted(query, item);
  query += ") FROM orders WHERE item_id = ";
  sql::append_quoted(query, item);
  std::vector<sql::Row> rows;
  if (const auto failure = connection.query(query, rows)) return failure->error();
  const std::string expected = std::to_string(accepted);
  bool same = rows.size() == 1;
  for (size_t column = 0; same && column < 4; ++column) {
    same = text_at(rows[0], column) == expected;
  }
  if (same) return std::string();
  return "\n  " + item + ": accepted " + expected + ", MySQL holds " + text_at(rows[0], 0) +
         " orders of " + text_at(rows[0], 1) + " buyers and " + text_at(rows[0], 2) +
         " units; items.sold is " + text_at(rows[0], 3);
}

}  // namespace

Status check_accepted(const sql::ConnectOptions& database, const AcceptedOrders& accepted) {
  sql::Connection connection;
  if (const auto failure = connection.connect(database)) return failure->error();
  std::string differences;
  for (const auto& [item, count] : accepted) {
    const auto text = difference(connection, item, count);
    if (!text) return text.error();
    differences += *text;
  }
  if (differences.empty()) return {};
  return Error(ErrorClass::kCorrupt,
               "MySQL does not hold exactly the accepted orders:" + differences);
}

Result<std::string> database_version(const sql::ConnectOptions& database) {
  sql::Connection connection;
  if (const auto failure = connection.connect(database)) return failure->error();
  std::vector<sql::Row> rows;
  if (const auto failure = connection.query("SELECT VERSION()", rows)) return failure->error();
  return text_at(rows.at(0), 0);
}

Status create_tables(const sql::ConnectOptions& database) {
  sql::Connection connection;
  if (const auto failure = connection.connect(database)) return failure->error();
  if (const auto failure = sql::apply_schema(connection, "orders")) return failure->error();
  return {};
}

}  // namespace sluice::bench
