// What doctor asks of a database. Nothing is changed there: the statements that try rights concern
// no row, and are rolled back.
#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <utility>

#include "base/clock.h"
#include "ctl/doctor.h"
#include "journal/record.h"
#include "sql/writable.h"

namespace sluice::ctl::doctor {
namespace {

using sql::Failure;
using sql::FailureKind;

// Notes what a statement of doctor's own could not be told.
void note(MysqlFacts& facts, const std::optional<Failure>& failure) {
  if (failure && facts.unknown.empty()) facts.unknown = failure->text();
}

void try_right(sql::Connection& connection, MysqlFacts& facts, const std::string& right,
               const std::string& table, const std::string& statement) {
  const auto failure = connection.exec(statement);
  if (failure && failure->kind == FailureKind::kAccessDenied)
    facts.refused.push_back(right + " on " + table);
}

// Sluice's own tables take everything; of the orders no row is ever deleted.
void try_rights(sql::Connection& connection, MysqlFacts& facts) {
  for (const std::string& table : orders::own_tables()) {
    const std::string key = table == "items" || table == "sluice_deleted_item" ? "item_id"
                            : table == "sluice_early_change"                   ? "order_id"
                                                                               : "journal_id";
    const std::string none = " WHERE " + key + " IS NULL AND FALSE";
    try_right(connection, facts, "INSERT", table,
              "INSERT INTO " + table + " (" + key + ") SELECT " + key + " FROM " + table + none);
    try_right(connection, facts, "UPDATE", table,
              "UPDATE " + table + " SET " + key + " = " + key + none);
    try_right(connection, facts, "DELETE", table, "DELETE FROM " + table + none);
  }
  if (facts.orders.is_one_table()) {
    const std::string table = facts.orders.table_of({});
    const std::string id = facts.orders.column(orders::OwnColumn::kOrderId);
    try_right(
        connection, facts, "INSERT", table,
        "INSERT INTO " + table + " (" + id + ") SELECT " + id + " FROM " + table + " WHERE FALSE");
    const std::string status = facts.orders.column(orders::OwnColumn::kStatus);
    if (facts.orders.mapping().has(orders::OwnColumn::kStatus)) {
      try_right(connection, facts, "UPDATE", table,
                "UPDATE " + table + " SET " + status + " = " + status + " WHERE FALSE");
    }
  }
  connection.rollback();
}

// What an order of then would have in the columns that partitions may go by.
std::string order_at(const orders::OrderTable& orders, const std::string& days) {
  const auto& mapping = orders.mapping();
  const std::string time = "NOW(3) + INTERVAL " + days + " DAY";
  std::string columns = "CAST((CAST(UNIX_TIMESTAMP(" + time + ") * 1000 AS UNSIGNED) - " +
                        std::to_string(journal::kIdEpochMs) + ") << 22 AS UNSIGNED) AS " +
                        orders.column(orders::OwnColumn::kOrderId);
  for (const orders::OwnColumn column :
       {orders::OwnColumn::kCreatedAt, orders::OwnColumn::kUpdatedAt}) {
    if (mapping.has(column)) columns += ", " + time + " AS " + orders.column(column);
  }
  return "(SELECT " + columns + ") AS that_order";
}

// Whether the last partition takes an order of so many days from now. The table's own expression is
// asked, whatever it is; true if it goes by something else than what is known of an order.
bool takes(sql::Connection& connection, const orders::OrderTable& orders,
           const std::string& expression, const std::string& upto, const std::string& days) {
  std::vector<sql::Row> rows;
  const auto failure = connection.query(
      "SELECT (" + expression + ") < (" + upto + ") FROM " + order_at(orders, days), rows);
  return failure || rows.empty() || rows[0][0] != "0";
}

void ask_partitions(sql::Connection& connection, MysqlFacts& facts) {
  std::vector<std::string> tables;
  note(facts, orders::find_tables(connection, facts.orders, tables));
  if (!facts.orders.is_one_table()) return;  // of many, each is for its own period
  const std::string& shop = facts.orders.mapping().table.database();
  for (const std::string& table : tables) {
    std::string which = " TABLE_SCHEMA = ";
    if (shop.empty())
      which += "DATABASE()";
    else
      sql::append_quoted(which, shop);
    which += " AND TABLE_NAME = ";
    sql::append_quoted(which, table);
    std::vector<sql::Row> rows;
    note(facts, connection.query(
                    "SELECT PARTITION_NAME, PARTITION_EXPRESSION, PARTITION_DESCRIPTION FROM"
                    " information_schema.PARTITIONS WHERE" +
                        which +
                        " AND PARTITION_METHOD LIKE 'RANGE%' ORDER BY PARTITION_ORDINAL_POSITION"
                        " DESC LIMIT 1",
                    rows));
    if (rows.empty() || !rows[0][1] || !rows[0][2]) continue;
    const std::string &expression = *rows[0][1], &upto = *rows[0][2];
    if (upto.find("MAXVALUE") != std::string::npos) continue;
    facts.partitions.push_back({table, rows[0][0].value_or(""), upto,
                                takes(connection, facts.orders, expression, upto, "0"),
                                takes(connection, facts.orders, expression, upto, "7")});
  }
  connection.rollback();
}

void ask_clock(sql::Connection& connection, MysqlFacts& facts) {
  std::vector<sql::Row> rows;
  const int64_t before_ms = base::wall_ms();
  // UTC, as the session's time zone is.
  note(facts, connection.query("SELECT UNIX_TIMESTAMP(UTC_TIMESTAMP(3))", rows));
  const int64_t after_ms = base::wall_ms();
  if (rows.empty() || !rows[0][0]) return;
  const double theirs_s = std::strtod(rows[0][0]->c_str(), nullptr);
  facts.clock = clock_of(std::llround(theirs_s * 1000), before_ms, after_ms);
}

void ask_tables(sql::Connection& connection, MysqlFacts& facts) {
  facts.missing = orders::probe_tables(connection, facts.orders);
  if (!connection.connected()) note(facts, std::exchange(facts.missing, std::nullopt));
  note(facts, orders::find_engines_without_rollback(connection, facts.orders, facts.engines));
  std::vector<std::string> tables;
  note(facts, orders::find_tables(connection, facts.orders, tables));
  note(facts, orders::check_tables(connection, facts.orders, facts.schema));
  connection.rollback();
  try_rights(connection, facts);
  ask_partitions(connection, facts);
}

}  // namespace

void ask_mysql(MysqlFacts& facts) {
  sql::Connection connection;
  sql::ConnectOptions options = facts.options;
  options.connect_timeout_s = options.timeout_s = kSilenceMaxS;
  facts.trouble = connection.connect(options);
  if (facts.trouble) return;
  facts.packet_bytes = static_cast<int64_t>(connection.max_allowed_packet());
  ask_clock(connection, facts);
  std::vector<sql::Row> rows;
  note(facts, connection.query("SELECT @@GLOBAL.sql_mode", rows));
  if (!rows.empty()) facts.sql_mode = rows[0][0];
  connection.rollback();
  ask_tables(connection, facts);
  if (connection.connected()) facts.takes_no_writes = sql::check_takes_writes(connection);
  if (facts.takes_no_writes && facts.takes_no_writes->kind != FailureKind::kReadOnly) {
    note(facts, facts.takes_no_writes);
    facts.takes_no_writes.reset();
  }
  if (!connection.connected()) return;  // a second connection would wait as long again
  JournalRegistry registry(options);
  if (!registry.connect()) return;
  if (auto journals = registry.all()) facts.journals = std::move(*journals);
}

}  // namespace sluice::ctl::doctor
