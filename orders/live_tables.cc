#include "orders/live_tables.h"

namespace sluice::orders {
namespace {

struct Probe {
  const char* table;
  const char* columns;
};
constexpr Probe kProbes[] = {
    {"items",
     "item_id, stock, sold, limit_per_user, start_at, end_at, hold_ms, settings_at, state,"
     " state_at, updated_at"},
    {"sluice_checkpoint", "journal_id, writer, writers, position, fingerprint, owner, updated_at"},
    {"sluice_journal",
     "journal_id, proxy_id, shelves, host, incarnation, retired, live_proxy_id, created_at,"
     " updated_at"},
    {"sluice_dead_letter",
     "journal_id, sequence, order_id, item_id, user_id, error_code, error, record, status,"
     " changed_at, created_at"},
    {"sluice_deleted_item", "item_id, units"},
    {"sluice_early_change", "order_id, item_id, user_id, status, changed_at"},
};

}  // namespace

std::vector<std::string> own_tables() {
  std::vector<std::string> tables;
  for (const Probe& probe : kProbes) tables.emplace_back(probe.table);
  return tables;
}

std::optional<sql::Failure> probe_tables(sql::Connection& connection, const OrderTable& orders) {
  for (const Probe& probe : kProbes) {
    if (auto failure = connection.exec("SELECT " + std::string(probe.columns) + " FROM " +
                                       probe.table + " LIMIT 0")) {
      return failure;
    }
  }
  if (!orders.is_one_table()) return std::nullopt;
  auto failure = connection.exec("SELECT 1 FROM " + orders.table_of({}) + " LIMIT 0");
  connection.rollback();
  return failure;
}

std::string TableEngine::text() const {
  return "table " + table + " has the engine " + engine +
         ", which cannot roll back, so a kill would leave rows that nothing accounts for";
}

std::string TableEngine::remedy() const { return "ALTER TABLE `" + table + "` ENGINE = InnoDB"; }

std::optional<sql::Failure> find_engines_without_rollback(sql::Connection& connection,
                                                          const OrderTable& orders,
                                                          std::vector<TableEngine>& found) {
  const std::string& shop = orders.mapping().table.database();
  std::string database = "DATABASE()";
  if (!shop.empty()) sql::append_quoted(database.erase(), shop);
  std::string pattern, ours;
  sql::append_quoted(pattern, orders.mapping().table.pattern());
  for (const std::string& table : own_tables()) {
    if (!ours.empty()) ours += ", ";
    sql::append_quoted(ours, table);
  }
  std::vector<sql::Row> rows;
  auto failure = connection.query(
      "SELECT t.TABLE_NAME, t.ENGINE FROM information_schema.TABLES t"
      " LEFT JOIN information_schema.ENGINES e ON e.ENGINE = t.ENGINE"
      " WHERE t.TABLE_TYPE = 'BASE TABLE' AND COALESCE(e.TRANSACTIONS, 'NO') <> 'YES'"
      " AND (t.TABLE_SCHEMA = DATABASE() AND t.TABLE_NAME IN (" +
          ours + ") OR t.TABLE_SCHEMA = " + database + " AND t.TABLE_NAME REGEXP " + pattern + ")",
      rows);
  if (failure) return failure;
  connection.rollback();
  for (const sql::Row& row : rows) found.push_back({row[0].value_or(""), row[1].value_or("none")});
  return std::nullopt;
}

}  // namespace sluice::orders
