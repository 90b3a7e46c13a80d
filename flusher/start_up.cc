#include "flusher/start_up.h"

#include <algorithm>

#include "flusher/advice.h"
#include "orders/partition.h"
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
      orders.probe(),
      "SELECT item_id, stock, sold, limit_per_user, start_at, end_at, state, state_at,"
      " updated_at FROM items LIMIT 0",
      "SELECT journal_id, writer, writers, position, owner, updated_at"
      " FROM sluice_checkpoint LIMIT 0",
      "SELECT journal_id, sequence, order_id, error_code, error, record, cancelled_at, created_at"
      " FROM sluice_dead_letter LIMIT 0",
      "SELECT item_id, units FROM sluice_deleted_item LIMIT 0",
      "SELECT order_id, cancelled_at FROM sluice_early_cancel LIMIT 0"};
  for (const std::string& probe : probes) {
    if (auto failure = connection.exec(probe)) return failure;
  }
  connection.rollback();
  return std::nullopt;
}

Error mismatch(const journal::JournalExtent& extent, const std::string& what) {
  return Error(ErrorClass::kCorrupt, "journal " + std::to_string(extent.journal_id) +
                                         " holds records " + std::to_string(extent.first_sequence) +
                                         " to " + std::to_string(extent.last_sequence) + ", but " +
                                         what);
}

Status check_range(const std::vector<CheckpointRow>& rows, const journal::JournalExtent& extent) {
  for (const CheckpointRow& row : rows) {
    if (row.position < extent.first_sequence) {
      return mismatch(extent, "the database needs them from " + std::to_string(row.position) +
                                  " on; bring back the missing segments, or check that "
                                  "mysql.database is the one that this journal drains into");
    }
    if (row.position > extent.last_sequence + 1) {
      return mismatch(extent, "the database already has all below " + std::to_string(row.position) +
                                  "; the journal folder looks older than the database: bring back "
                                  "the newest one");
    }
  }
  return {};
}

}  // namespace

Status open_database(const Options& options, sql::Connection& connection) {
  auto failure = connection.connect(options.mysql);
  if (failure && failure->code == 1049 && options.create_schema) {
    failure = sql::create_database(options.mysql);
    if (!failure) failure = connection.connect(options.mysql);
  }
  if (!failure) failure = probe_tables(connection, options.orders);
  if (failure && failure->kind == FailureKind::kSchemaMissing && failure->code == 1146 &&
      options.create_schema) {
    failure = sql::apply_schema(connection, options.orders.name());
    if (!failure) failure = probe_tables(connection, options.orders);
  }
  if (!failure) return {};
  connection.close();
  return waiting(*failure);
}

Result<std::vector<uint64_t>> load_positions(sql::Connection& connection, const CheckpointKey& key,
                                             uint32_t writers,
                                             const journal::JournalExtent& extent) {
  std::vector<CheckpointRow> rows;
  if (auto failure = claim_checkpoints(connection, key, rows)) return waiting(*failure);
  if (rows.empty() && extent.first_sequence > 1) {
    return mismatch(extent,
                    "the database has no checkpoint of this journal, and the records before "
                    "are deleted; check that mysql.database is the one that this journal "
                    "drains into");
  }
  SLUICE_TRY(check_range(rows, extent));

  const auto same = [&](const CheckpointRow& row) { return row.position == rows[0].position; };
  const bool settled = std::all_of(rows.begin(), rows.end(), same);
  const bool ours =
      rows.empty() ||
      rows[0].writers == orders::stored_writers(static_cast<uint32_t>(rows.size()));
  if (!ours && !settled) {
    // A record between two positions may be another writer's now, and would be taken for drained.
    return Error(ErrorClass::kCorrupt,
                 "journal " + std::to_string(key.journal_id) +
                     ": its drain was begun by another version, which spread orders over the "
                     "writers in another way; finish it with that one (sluice-flusher --once), "
                     "then start this one");
  }
  if ((rows.size() != writers || !ours) && settled) {
    const uint64_t position = rows.empty() ? 1 : rows[0].position;
    if (auto failure =
            repartition(connection, key, static_cast<uint32_t>(rows.size()), writers, position)) {
      return waiting(*failure);
    }
    return std::vector<uint64_t>(writers, position);
  }
  std::vector<uint64_t> positions;
  for (const CheckpointRow& row : rows) positions.push_back(row.position);
  return positions;
}

}  // namespace sluice::flusher
