#include "flusher/checkpoint.h"

#include "base/units.h"
#include "orders/partition.h"

namespace sluice::flusher {
namespace {

using sql::Connection;
using sql::Failure;
using sql::FailureKind;

std::string where_journal(uint64_t journal_id) {
  return " WHERE journal_id = " + std::to_string(journal_id);
}

uint64_t number(const std::optional<std::string>& text) {
  return text ? std::stoull(*text) : 0;  // BIGINT UNSIGNED as the server prints it
}

Failure contradiction(uint64_t journal_id, const std::string& what) {
  return {FailureKind::kOther, 0,
          "sluice_checkpoint of journal " + std::to_string(journal_id) + ": " + what};
}

}  // namespace

std::optional<Failure> lock_checkpoints(Connection& connection, uint64_t journal_id,
                                        std::vector<CheckpointRow>& rows) {
  // In the order of the key, so that two that start do not deadlock; a writer holds one only.
  std::vector<sql::Row> found;
  if (auto failure = connection.query(
          "SELECT writer, writers, position, fingerprint, owner FROM sluice_checkpoint" +
              where_journal(journal_id) + " ORDER BY writer FOR UPDATE",
          found)) {
    return failure;
  }
  rows.clear();
  for (const sql::Row& row : found) {
    const uint64_t writers = number(row[1]);
    if (number(row[0]) != rows.size() || writers % orders::kPartitioningStep != found.size() ||
        writers != number(found[0][1])) {
      return contradiction(journal_id, "rows are missing or too many; restore the table");
    }
    rows.push_back({number(row[2]), number(row[3]), number(row[4]), writers});
  }
  return std::nullopt;
}

std::optional<Failure> claim_checkpoints(Connection& connection, const CheckpointKey& key) {
  return connection.exec("UPDATE sluice_checkpoint SET owner = " + std::to_string(key.owner) +
                         where_journal(key.journal_id));
}

std::optional<Failure> read_checkpoint_settled(Connection& connection, const CheckpointKey& key,
                                               uint32_t writer, std::optional<CheckpointRow>& row) {
  std::vector<sql::Row> found;
  auto failure = connection.query("SELECT position, owner FROM sluice_checkpoint" +
                                      where_journal(key.journal_id) +
                                      " AND writer = " + std::to_string(writer) + " FOR UPDATE",
                                  found);
  connection.rollback();
  if (failure) return failure;
  row.reset();
  if (!found.empty()) row = CheckpointRow{number(found[0][0]), 0, number(found[0][1]), 0};
  return std::nullopt;
}

std::optional<Failure> advance_checkpoint(Connection& connection, const CheckpointKey& key,
                                          uint32_t writer, uint64_t from, uint64_t to,
                                          uint64_t fingerprint) {
  // from < to, so the row changes whenever it matches: affected_rows() means the same with and
  // without CLIENT_FOUND_ROWS.
  SLUICE_ASSERT(from < to, "a checkpoint only moves forward");
  return connection.exec(
      "UPDATE sluice_checkpoint SET position = " + std::to_string(to) +
      ", fingerprint = " + std::to_string(fingerprint) + ", updated_at = NOW(3)" +
      where_journal(key.journal_id) + " AND writer = " + std::to_string(writer) +
      " AND position = " + std::to_string(from) + " AND owner = " + std::to_string(key.owner));
}

// Another flusher would have put its own number there, and never that of one before this. Without a
// row nothing tells what the other tables have.
Standing standing_of(const std::optional<CheckpointRow>& row, const CheckpointKey& key,
                     uint64_t position) {
  if (!row) return Standing::kAnothers;
  if (row->owner == key.owner)
    return row->position < position ? Standing::kBehind : Standing::kOurs;
  const bool is_unclaimed =
      key.owner_before != 0 && row->owner == key.owner_before && row->position <= position;
  return is_unclaimed ? Standing::kBehind : Standing::kAnothers;
}

std::optional<Failure> find_lost_commits(Connection& connection, const CheckpointKey& key,
                                         const std::vector<uint64_t>& positions, bool& is_lost) {
  std::vector<sql::Row> found;
  auto failure = connection.query(
      "SELECT writer, position, owner FROM sluice_checkpoint" + where_journal(key.journal_id),
      found);
  connection.rollback();
  if (failure) return failure;
  std::vector<std::optional<CheckpointRow>> rows(positions.size());
  for (const sql::Row& row : found) {
    if (const uint64_t writer = number(row[0]); writer < rows.size())
      rows[writer] = CheckpointRow{.position = number(row[1]), .owner = number(row[2])};
  }
  is_lost = false;
  for (size_t i = 0; i < rows.size(); ++i)
    is_lost |= standing_of(rows[i], key, positions[i]) == Standing::kBehind;
  return std::nullopt;
}

std::optional<Failure> find_advanced(Connection& connection, const CheckpointKey& key,
                                     uint32_t writer, uint64_t to) {
  std::vector<sql::Row> found;
  auto failure = connection.query("SELECT position, owner FROM sluice_checkpoint" +
                                      where_journal(key.journal_id) +
                                      " AND writer = " + std::to_string(writer),
                                  found);
  if (failure) return failure;
  if (!found.empty() && number(found[0][0]) == to && number(found[0][1]) == key.owner)
    return std::nullopt;
  return Failure{FailureKind::kOther, 0, "the server has rolled the transaction back in its midst"};
}

std::optional<Failure> insert_checkpoints(Connection& connection, const CheckpointKey& key,
                                          uint32_t writers, uint64_t position,
                                          uint64_t fingerprint) {
  std::string insert =
      "INSERT INTO sluice_checkpoint (journal_id, writer, writers, position,"
      " fingerprint, owner, updated_at)"
      " VALUES ";
  for (uint32_t writer = 0; writer < writers; ++writer) {
    insert += (writer == 0 ? "(" : ",(") + std::to_string(key.journal_id) + "," +
              std::to_string(writer) + "," + std::to_string(orders::stored_writers(writers)) + "," +
              std::to_string(position) + "," + std::to_string(fingerprint) + "," +
              std::to_string(key.owner) + ",NOW(3))";
  }
  return connection.exec(insert);
}

std::optional<Failure> repartition(Connection& connection, const CheckpointKey& key,
                                   uint32_t old_writers, uint32_t new_writers, uint64_t position,
                                   uint64_t fingerprint) {
  const auto undo = [&](Failure failure) {
    connection.rollback();
    return failure;
  };
  if (old_writers > 0) {
    if (auto failure =
            connection.exec("DELETE FROM sluice_checkpoint" + where_journal(key.journal_id) +
                            " AND position = " + std::to_string(position) +
                            " AND owner = " + std::to_string(key.owner))) {
      return undo(std::move(*failure));
    }
    if (connection.affected_rows() != old_writers) {
      return undo(contradiction(key.journal_id, "another flusher has moved it"));
    }
  }
  if (auto failure = insert_checkpoints(connection, key, new_writers, position, fingerprint))
    return undo(std::move(*failure));
  if (auto failure = connection.exec("COMMIT")) return undo(std::move(*failure));
  return std::nullopt;
}

}  // namespace sluice::flusher
