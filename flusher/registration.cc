#include "flusher/registration.h"

#include <unistd.h>

#include <algorithm>
#include <set>

#include "flusher/advice.h"
#include "journal/fingerprint.h"

namespace sluice::flusher {
namespace {

using sql::Connection;
using sql::Failure;
using sql::FailureKind;

constexpr size_t kHostBytesMax = 255;

// Everything that MySQL says at start-up may pass: somebody applies the schema, grants, restarts.
Error waiting(const Failure& failure) {
  return Error(ErrorClass::kUnavailable, failure.text() + advice(failure));
}

std::string host_name() {
  char name[kHostBytesMax + 1] = "";
  ::gethostname(name, sizeof name - 1);
  std::string host;
  for (const char c : std::string_view(name)) host += c > ' ' && c < 0x7f ? c : '?';
  return host;
}

Error refused(const JournalFolder& folder, const std::string& why) {
  return Error(ErrorClass::kRefused, "journal " + std::to_string(folder.extent.journal_id) +
                                         " in " + folder.dir + ": " + why);
}

std::string records(const journal::JournalExtent& extent) {
  return "the folder holds records " + std::to_string(extent.first_sequence) + " to " +
         std::to_string(extent.last_sequence) + ", but ";
}

// Whether it is registered. The rows of sluice_journal that concern it are locked until the
// transaction ends.
Result<bool> check_registered(Connection& connection, const JournalFolder& folder) {
  const journal::JournalExtent& extent = folder.extent;
  const std::string id = std::to_string(extent.journal_id);
  const std::string proxy = std::to_string(extent.proxy_id);
  std::vector<sql::Row> rows;
  if (auto failure = connection.query(
          "SELECT journal_id, proxy_id, shelves, host, retired FROM sluice_journal"
          " WHERE journal_id = " +
              id + " OR live_proxy_id = " + proxy + " ORDER BY journal_id FOR UPDATE",
          rows)) {
    return waiting(*failure);
  }
  bool is_registered = false;
  for (const sql::Row& row : rows) {
    is_registered |= row[0] == id;
    if (row[0] != id) {
      return refused(folder,
                     "its proxy.id " + proxy + " is that of journal " + *row[0] + " on host " +
                         *row[3] +
                         " in this database, and two proxies with one number give out the "
                         "same order ids; give this one another proxy.id (docs/operations.md, "
                         "\"Two installations, one MySQL\"), or, if that one is gone for good, "
                         "set its number free: sluice-ctl journal drop " +
                         *row[0]);
    }
    if (row[4] != "0") {
      return refused(folder,
                     "it was retired in this database (sluice_journal); what it holds was "
                     "taken over by another, or given up");
    }
    if (row[1] != proxy || row[2] != std::to_string(extent.shelves)) {
      return refused(folder, "it is registered with proxy.id " + *row[1] + " and " + *row[2] +
                                 " shelves, and has " + proxy + " and " +
                                 std::to_string(extent.shelves));
    }
  }
  return is_registered;
}

Status check_range(const std::vector<CheckpointRow>& rows, bool is_registered,
                   const JournalFolder& folder) {
  const journal::JournalExtent& extent = folder.extent;
  if (rows.empty() && is_registered) {
    return refused(folder,
                   "the database knows the journal (sluice_journal) and has lost how far it "
                   "was drained (sluice_checkpoint): bring the table back, or: sluice-ctl "
                   "journal redrain");
  }
  if (rows.empty() && extent.first_sequence > 1) {
    return refused(folder, records(extent) +
                               "the database has no checkpoint of this journal: check that "
                               "mysql.database is the one that it drains into; or, if the database "
                               "was restored from an older backup: sluice-ctl journal redrain");
  }
  for (const CheckpointRow& row : rows) {
    if (row.position < extent.first_sequence) {
      return refused(folder, records(extent) + "the database needs them from " +
                                 std::to_string(row.position) +
                                 " on: bring back the missing segments; or, if the database was "
                                 "restored from an older backup: sluice-ctl journal redrain");
    }
    if (row.position > extent.last_sequence + 1) {
      return refused(folder,
                     records(extent) + "the database already has all below " +
                         std::to_string(row.position) +
                         ": the folder is an older copy; bring back the newest one, or take "
                         "it over as it is: sluice-ctl journal adopt");
    }
  }
  return {};
}

// What makes a copy that was rolled back, or cloned, and then written on another journal.
Status check_history(const std::vector<CheckpointRow>& rows, const JournalFolder& folder) {
  std::set<uint64_t> positions;
  for (const CheckpointRow& row : rows) positions.insert(row.position);
  const std::vector<uint64_t> wanted(positions.begin(), positions.end());
  const auto found = journal::fingerprints(folder.dir, folder.fs, wanted);
  if (!found) return found.error();
  for (const CheckpointRow& row : rows) {
    const auto at = std::lower_bound(wanted.begin(), wanted.end(), row.position) - wanted.begin();
    if ((*found)[static_cast<size_t>(at)] == row.fingerprint) continue;
    return refused(folder,
                   "the database has another history of it below record " +
                       std::to_string(row.position) +
                       ": this folder is a copy, of a cloned machine or an older backup, that "
                       "was written on; stop the proxy, and bring back the folder that was "
                       "drained, or take this one over: sluice-ctl journal adopt");
  }
  return {};
}

// An INSERT that meets another journal with this proxy.id, come meanwhile, fails and is tried
// again.
std::optional<Failure> write_row(Connection& connection, const journal::JournalExtent& extent,
                                 bool is_registered) {
  const std::string id = std::to_string(extent.journal_id);
  std::string set = " host = ";
  sql::append_quoted(set, host_name());
  set += ", incarnation = " + std::to_string(extent.incarnation) + ", updated_at = NOW(3)";
  if (is_registered) {
    return connection.exec("UPDATE sluice_journal SET" + set + " WHERE journal_id = " + id);
  }
  return connection.exec("INSERT INTO sluice_journal SET journal_id = " + id +
                         ", proxy_id = " + std::to_string(extent.proxy_id) + ", shelves = " +
                         std::to_string(extent.shelves) + ", created_at = NOW(3)," + set);
}

Result<std::vector<CheckpointRow>> check_and_claim(Connection& connection, const CheckpointKey& key,
                                                   const JournalFolder& folder, uint32_t writers) {
  const auto is_registered = check_registered(connection, folder);
  if (!is_registered) return is_registered.error();
  std::vector<CheckpointRow> rows;
  if (auto failure = lock_checkpoints(connection, key.journal_id, rows)) return waiting(*failure);
  SLUICE_TRY(check_range(rows, *is_registered, folder));
  SLUICE_TRY(check_history(rows, folder));
  auto failure = write_row(connection, folder.extent, *is_registered);
  if (!failure && rows.empty()) {
    // With the registration: a journal that is registered has them, or somebody took them away.
    const uint64_t nothing = journal::fingerprint_of(key.journal_id);
    failure = insert_checkpoints(connection, key, writers, 1, nothing);
    if (!failure) failure = lock_checkpoints(connection, key.journal_id, rows);
  }
  if (!failure) failure = claim_checkpoints(connection, key);
  if (!failure) failure = connection.exec("COMMIT");
  if (failure) return waiting(*failure);
  return rows;
}

}  // namespace

Result<std::vector<CheckpointRow>> register_journal(Connection& connection,
                                                    const CheckpointKey& key,
                                                    const JournalFolder& folder, uint32_t writers) {
  auto rows = check_and_claim(connection, key, folder, writers);
  if (!rows) connection.rollback();
  return rows;
}

std::optional<Failure> register_incarnation(Connection& connection, uint64_t journal_id,
                                            uint64_t incarnation) {
  auto failure =
      connection.exec("UPDATE sluice_journal SET incarnation = " + std::to_string(incarnation) +
                      ", updated_at = NOW(3) WHERE journal_id = " + std::to_string(journal_id));
  if (!failure) failure = connection.exec("COMMIT");
  if (failure) connection.rollback();
  return failure;
}

}  // namespace sluice::flusher
