#include "bench/order_check.h"

#include <vector>

#include "sql/schema.h"

namespace sluice::bench {
namespace {

std::string text_at(const sql::Row& row, size_t column) { return row[column].value_or("NULL"); }

// What MySQL holds of one item, as text; each "0" if it has nothing.
struct Held {
  std::string orders = "0", buyers = "0", ids = "0", units = "0", sold = "0";
};
using HeldOrders = std::map<std::string, Held>;

// Three passes instead of one: the first is answered from the index alone.
Status read_held(const sql::ConnectOptions& database, HeldOrders& held) {
  sql::ConnectOptions patient = database;
  patient.timeout_s = 600;
  sql::Connection connection;
  if (const auto failure = connection.connect(patient)) return failure->error();
  std::vector<sql::Row> rows;
  if (const auto failure = connection.query(
          "SELECT item_id, COUNT(*), COUNT(DISTINCT user_id), BIT_XOR(order_id) FROM orders "
          "GROUP BY item_id",
          rows)) {
    return failure->error();
  }
  for (const sql::Row& row : rows) {
    Held& item = held[text_at(row, 0)];
    item.orders = text_at(row, 1);
    item.buyers = text_at(row, 2);
    item.ids = text_at(row, 3);
  }
  rows.clear();
  if (const auto failure =
          connection.query("SELECT item_id, SUM(quantity) FROM orders GROUP BY item_id", rows)) {
    return failure->error();
  }
  for (const sql::Row& row : rows) held[text_at(row, 0)].units = text_at(row, 1);
  rows.clear();
  if (const auto failure = connection.query("SELECT item_id, sold FROM items", rows)) {
    return failure->error();
  }
  for (const sql::Row& row : rows) held[text_at(row, 0)].sold = text_at(row, 1);
  return {};
}

// "item: acknowledged 10 orders, MySQL holds 9 …", or nothing if all agree.
std::string difference(const std::string& item, const Acknowledged& told, const Held& held) {
  const std::string orders = std::to_string(told.orders);
  const bool same_numbers =
      held.orders == orders && held.buyers == orders && held.units == orders && held.sold == orders;
  if (same_numbers && held.ids == std::to_string(told.ids)) return {};
  return "\n  " + item + ": acknowledged " + orders + " orders, MySQL holds " + held.orders +
         " of " + held.buyers + " buyers and " + held.units + " units; items.sold is " + held.sold +
         (same_numbers ? "; some order_ids are not those that were acknowledged" : "");
}

}  // namespace

Status check_accepted(const sql::ConnectOptions& database, const AcceptedOrders& accepted) {
  HeldOrders held;
  SLUICE_TRY(read_held(database, held));
  std::string differences;
  for (const auto& [item, told] : accepted) differences += difference(item, told, held[item]);
  if (differences.empty()) return {};
  return Error(ErrorClass::kCorrupt,
               "MySQL does not hold exactly the acknowledged orders:" + differences);
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
