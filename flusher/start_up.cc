#include "flusher/start_up.h"

#include <spdlog/spdlog.h>

#include <algorithm>

#include "flusher/advice.h"
#include "orders/partition.h"
#include "orders/schema.h"
#include "sql/schema.h"

namespace sluice::flusher {
namespace {

using sql::Failure;
using sql::FailureKind;

// Everything that MySQL says at start-up may pass: somebody applies the schema, grants, restarts.
Error waiting(const Failure& failure) {
  return Error(ErrorClass::kUnavailable, failure.text() + advice(failure));
}

std::optional<Failure> probe_tables(sql::Connection& connection, const orders::OrderTable& orders) {
  const std::string probes[] = {
      "SELECT item_id, stock, sold, limit_per_user, start_at, end_at, hold_ms, settings_at,"
      " state, state_at, updated_at FROM items LIMIT 0",
      "SELECT journal_id, writer, writers, position, fingerprint, owner, updated_at"
      " FROM sluice_checkpoint LIMIT 0",
      "SELECT journal_id, proxy_id, shelves, host, incarnation, retired, live_proxy_id, created_at,"
      " updated_at FROM sluice_journal LIMIT 0",
      "SELECT journal_id, sequence, order_id, item_id, user_id, error_code, error, record,"
      " status, changed_at, created_at FROM sluice_dead_letter LIMIT 0",
      "SELECT item_id, units FROM sluice_deleted_item LIMIT 0",
      "SELECT order_id, item_id, user_id, status, changed_at FROM sluice_early_change LIMIT 0"};
  for (const std::string& probe : probes) {
    if (auto failure = connection.exec(probe)) return failure;
  }
  if (!orders.is_one_table()) return std::nullopt;
  auto failure = connection.exec("SELECT 1 FROM " + orders.table_of({}) + " LIMIT 0");
  connection.rollback();
  return failure;
}

// A transaction on what cannot roll back would leave rows without their checkpoint after a kill.
Status check_engines(sql::Connection& connection, const orders::OrderTable& orders) {
  const std::string& shop = orders.mapping().table.database();
  std::string database = "DATABASE()";
  if (!shop.empty()) sql::append_quoted(database.erase(), shop);
  std::string pattern;
  sql::append_quoted(pattern, orders.mapping().table.pattern());
  std::vector<sql::Row> rows;
  if (auto failure = connection.query(
          "SELECT t.TABLE_NAME, t.ENGINE FROM information_schema.TABLES t"
          " LEFT JOIN information_schema.ENGINES e ON e.ENGINE = t.ENGINE"
          " WHERE t.TABLE_TYPE = 'BASE TABLE' AND COALESCE(e.TRANSACTIONS, 'NO') <> 'YES'"
          " AND (t.TABLE_SCHEMA = DATABASE() AND t.TABLE_NAME IN ('items', 'sluice_checkpoint',"
          " 'sluice_journal', 'sluice_dead_letter', 'sluice_deleted_item', 'sluice_early_change')"
          " OR t.TABLE_SCHEMA = " +
              database + " AND t.TABLE_NAME REGEXP " + pattern + ")",
          rows)) {
    return waiting(*failure);
  }
  connection.rollback();
  if (rows.empty()) return {};
  const std::string name = rows[0][0].value_or(""), engine = rows[0][1].value_or("none");
  return Error(
      ErrorClass::kUnavailable,
      "table " + name + " has the engine " + engine +
          ", which cannot roll back, so a kill would leave rows that nothing accounts for: "
          "ALTER TABLE `" +
          name + "` ENGINE = InnoDB");
}

// The shop's own table may want what no order has.
Status check_schema(sql::Connection& connection, orders::OrderTable& orders,
                    std::vector<std::string>& told) {
  orders::SchemaReport report;
  if (auto failure = orders::learn(connection, orders, report)) return waiting(*failure);
  if (report.warnings != told) {
    for (const std::string& warning : report.warnings) spdlog::warn("schema: {}", warning);
  }
  told = report.warnings;
  if (report.errors.empty()) return {};
  return Error(ErrorClass::kUnavailable,
               report.first_error() + (report.errors.size() > 1 ? "; and more: see " : "; see ") +
                   "sluice-ctl schema check");
}

}  // namespace

Status open_database(Options& options, sql::Connection& connection,
                     std::vector<std::string>& told) {
  auto failure = connection.connect(options.mysql);
  if (failure && failure->code == 1049 && options.create_schema) {
    failure = sql::create_database(options.mysql);
    if (!failure) failure = connection.connect(options.mysql);
  }
  if (!failure) failure = probe_tables(connection, options.orders);
  if (failure && failure->kind == FailureKind::kSchemaMissing &&
      failure->code == sql::kNoSuchTable && options.create_schema) {
    failure = orders::apply_schema(connection, options.orders);
    if (!failure) failure = probe_tables(connection, options.orders);
  }
  Status checked = failure ? Status(waiting(*failure)) : check_engines(connection, options.orders);
  if (checked) checked = check_schema(connection, options.orders, told);
  if (!checked) connection.close();
  return checked;
}

Result<std::vector<uint64_t>> load_positions(sql::Connection& connection, CheckpointKey& key,
                                             uint32_t writers, const JournalFolder& folder) {
  const auto claimed = register_journal(connection, key, folder, writers);
  if (!claimed) return claimed.error();
  const std::vector<CheckpointRow>& rows = *claimed;
  SLUICE_ASSERT(!rows.empty(), "a journal that is registered has checkpoints");
  if (rows[0].owner != key.owner) key.owner_before = rows[0].owner;
  const auto same = [&](const CheckpointRow& row) { return row.position == rows[0].position; };
  const bool settled = std::all_of(rows.begin(), rows.end(), same);
  const bool ours = rows[0].writers == orders::stored_writers(static_cast<uint32_t>(rows.size()));
  if (!ours && !settled) {
    // A record between two positions may be another writer's now, and would be taken for drained.
    return Error(ErrorClass::kCorrupt,
                 "journal " + std::to_string(key.journal_id) +
                     ": its drain was begun by another version, which spread orders over the "
                     "writers in another way; finish it with that one (sluice-flusher --once), "
                     "then start this one");
  }
  if ((rows.size() != writers || !ours) && settled) {
    const uint64_t position = rows[0].position, fingerprint = rows[0].fingerprint;
    if (auto failure = repartition(connection, key, static_cast<uint32_t>(rows.size()), writers,
                                   position, fingerprint)) {
      return waiting(*failure);
    }
    return std::vector<uint64_t>(writers, position);
  }
  std::vector<uint64_t> positions;
  for (const CheckpointRow& row : rows) positions.push_back(row.position);
  return positions;
}

}  // namespace sluice::flusher
