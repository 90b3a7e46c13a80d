#include "flusher/start_up.h"

#include <spdlog/spdlog.h>

#include <algorithm>

#include "flusher/advice.h"
#include "orders/live_tables.h"
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

// A transaction on what cannot roll back would leave rows without their checkpoint after a kill.
Status check_engines(sql::Connection& connection, const orders::OrderTable& orders) {
  std::vector<orders::TableEngine> found;
  if (auto failure = orders::find_engines_without_rollback(connection, orders, found))
    return waiting(*failure);
  if (found.empty()) return {};
  return Error(ErrorClass::kUnavailable, found[0].text() + ": " + found[0].remedy());
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
  if (!failure) failure = orders::probe_tables(connection, options.orders);
  if (failure && failure->kind == FailureKind::kSchemaMissing &&
      failure->code == sql::kNoSuchTable && options.create_schema) {
    failure = orders::apply_schema(connection, options.orders);
    if (!failure) failure = orders::probe_tables(connection, options.orders);
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
