#include "bench/order_check.h"

#include <vector>

#include "sql/schema.h"

namespace sluice::bench {
namespace {

constexpr size_t kNamedMax = 20;  // items in one message

std::string text_at(const sql::Row& row, size_t column) { return row[column].value_or("NULL"); }

// What MySQL holds of one item, as text; "0" if it has nothing.
struct Held {
  std::string orders = "0", ids = "0", units = "0", sold = "0", buyer_of_two = {};
};
using HeldOrders = std::map<std::string, Held>;

// A pass for each question: those of orders and of buyers are answered by the index alone, in its
// order, so that ten million rows need no temporary table.
constexpr struct {
  const char* query;  // item_id and the answers, a row an item
  std::string Held::*answers[2];
} kQuestions[] = {
    {"SELECT item_id, COUNT(*), BIT_XOR((order_id % 2147483647) * (order_id % 2147483629))"
     " FROM orders GROUP BY item_id",
     {&Held::orders, &Held::ids}},
    {"SELECT item_id, SUM(quantity) FROM orders IGNORE INDEX (item_user) GROUP BY item_id",
     {&Held::units, nullptr}},
    {"SELECT item_id, sold FROM items", {&Held::sold, nullptr}},
    {"SELECT item_id, user_id FROM orders GROUP BY item_id, user_id HAVING COUNT(*) > 1 LIMIT 100",
     {&Held::buyer_of_two, nullptr}},
};

Status read_held(const sql::ConnectOptions& database, HeldOrders& held) {
  sql::ConnectOptions patient = database;
  patient.timeout_s = 600;
  sql::Connection connection;
  if (const auto failure = connection.connect(patient)) return failure->error();
  for (const auto& question : kQuestions) {
    std::vector<sql::Row> rows;
    if (const auto failure = connection.query(question.query, rows)) return failure->error();
    for (const sql::Row& row : rows) {
      Held& item = held[text_at(row, 0)];
      for (size_t i = 0; i + 1 < row.size(); ++i) item.*question.answers[i] = text_at(row, i + 1);
    }
  }
  return {};
}

// "item: acknowledged 10 orders, MySQL holds 9 …", or nothing if all agree.
std::string difference(const std::string& item, const Acknowledged& told, const Held& held) {
  const std::string orders = std::to_string(told.orders);
  const bool same_numbers = held.orders == orders && held.units == orders && held.sold == orders;
  const bool same_ids = held.ids == std::to_string(told.ids);
  if (same_numbers && same_ids && held.buyer_of_two.empty()) return {};
  std::string text = "\n  " + item + ": acknowledged " + orders + " orders, MySQL holds " +
                     held.orders + " of " + held.units + " units; items.sold is " + held.sold;
  if (same_numbers && !same_ids) text += "; some order_ids are not those that were acknowledged";
  if (!held.buyer_of_two.empty()) text += "; " + held.buyer_of_two + " has more than one";
  return text;
}

}  // namespace

Status check_accepted(const sql::ConnectOptions& database, const AcceptedOrders& accepted) {
  HeldOrders held;
  SLUICE_TRY(read_held(database, held));
  std::string differences;
  size_t differ = 0;
  for (const auto& [item, told] : accepted) {
    const std::string text = difference(item, told, held[item]);
    if (!text.empty() && ++differ <= kNamedMax) differences += text;
  }
  if (differ == 0) return {};
  if (differ > kNamedMax) {
    differences += "\n  and " + std::to_string(differ - kNamedMax) + " other items";
  }
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
  for (const std::string& statement : sql::schema_statements()) {
    if (const auto failure = connection.exec(statement)) return failure->error();
  }
  return {};
}

}  // namespace sluice::bench
