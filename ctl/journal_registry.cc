#include "ctl/journal_registry.h"

#include <charconv>

#include "orders/partition.h"

namespace sluice::ctl {
namespace {

uint64_t number_in(const std::optional<std::string>& text) {
  uint64_t value = 0;
  if (text) std::from_chars(text->data(), text->data() + text->size(), value);
  return value;
}

std::string of_journal(uint64_t journal_id) {
  return " WHERE journal_id = " + std::to_string(journal_id);
}

}  // namespace

Status JournalRegistry::connect() {
  if (const auto failure = connection_.connect(options_)) return failure->error();
  return {};
}

Result<std::vector<RegisteredJournal>> JournalRegistry::query(const std::string& where) {
  std::vector<sql::Row> rows;
  const auto failure = connection_.query(
      "SELECT j.journal_id, j.proxy_id, j.host, j.updated_at, j.retired, MIN(c.position),"
      " j.shelves"
      " FROM sluice_journal j LEFT JOIN sluice_checkpoint c ON c.journal_id = j.journal_id" +
          where +
          " GROUP BY j.journal_id, j.proxy_id, j.host, j.updated_at, j.retired, j.shelves"
          " ORDER BY j.proxy_id, j.created_at",
      rows);
  connection_.rollback();
  if (failure) {
    const bool schema = failure->kind == sql::FailureKind::kSchemaMissing;
    return Error(failure->error().cls(), options_.text() + ": " + failure->text() +
                                             (schema ? "; see sluice-ctl schema apply" : ""));
  }
  std::vector<RegisteredJournal> journals;
  for (const sql::Row& row : rows) {
    RegisteredJournal& journal = journals.emplace_back();
    journal.journal_id = number_in(row[0]);
    journal.proxy_id = static_cast<uint32_t>(number_in(row[1]));
    journal.host = row[2].value_or("");
    journal.updated_at = row[3].value_or("");
    journal.is_retired = number_in(row[4]) != 0;
    if (row[5]) journal.position = number_in(row[5]);
    journal.shelves = static_cast<uint32_t>(number_in(row[6]));
  }
  return journals;
}

Result<std::vector<RegisteredJournal>> JournalRegistry::all() { return query(""); }

Result<std::optional<RegisteredJournal>> JournalRegistry::find(uint64_t journal_id) {
  const auto found = query(" WHERE j.journal_id = " + std::to_string(journal_id));
  if (!found) return found.error();
  return found->empty() ? std::optional<RegisteredJournal>() : found->front();
}

Result<std::vector<RegisteredJournal>> JournalRegistry::of_lanes(const std::set<uint32_t>& lanes) {
  std::string list;
  for (const uint32_t lane : lanes) list += (list.empty() ? "" : ",") + std::to_string(lane);
  return query(" WHERE j.live_proxy_id IN (" + list + ")");
}

std::optional<sql::Failure> JournalRegistry::retire_one(uint64_t journal_id) {
  if (auto failure = connection_.exec("UPDATE sluice_journal SET retired = 1, updated_at = NOW(3)" +
                                      of_journal(journal_id))) {
    return failure;
  }
  return connection_.exec("UPDATE sluice_checkpoint SET owner = 0" + of_journal(journal_id));
}

std::optional<sql::Failure> JournalRegistry::insert_checkpoint(uint64_t journal_id,
                                                               uint64_t position,
                                                               uint64_t fingerprint) {
  return connection_.exec(
      "INSERT INTO sluice_checkpoint (journal_id, writer, writers, position, fingerprint, owner,"
      " updated_at) VALUES (" +
      std::to_string(journal_id) + ",0," + std::to_string(orders::stored_writers(1)) + "," +
      std::to_string(position) + "," + std::to_string(fingerprint) + ",0,NOW(3))");
}

Status JournalRegistry::end(std::optional<sql::Failure> failure) {
  if (!failure) failure = connection_.exec("COMMIT");
  if (!failure) return {};
  connection_.rollback();
  return failure->error();
}

Status JournalRegistry::take_over(const std::vector<RegisteredJournal>& registered,
                                  const std::set<uint64_t>& journals, const NewJournal& made,
                                  uint32_t proxy_id, uint32_t shelves) {
  std::set<uint64_t> ids = journals;
  for (const RegisteredJournal& one : registered) ids.insert(one.journal_id);
  std::optional<sql::Failure> failure;
  for (const uint64_t id : ids) {
    if (!failure) failure = retire_one(id);
  }
  if (!failure) {
    failure = connection_.exec(
        "INSERT INTO sluice_journal (journal_id, proxy_id, shelves, host, incarnation, created_at,"
        " updated_at) VALUES (" +
        std::to_string(made.journal_id) + "," + std::to_string(proxy_id) + "," +
        std::to_string(shelves) + ",'', " + std::to_string(made.incarnation) + ",NOW(3),NOW(3))");
  }
  if (!failure) failure = insert_checkpoint(made.journal_id, made.position, made.fingerprint);
  for (const auto& [item, row] : made.rows) {  // as a flusher drains a creation
    if (failure) break;
    failure = connection_.exec(insert_of(item, row) +
                               ", limit_per_user = VALUES(limit_per_user), start_at ="
                               " VALUES(start_at), end_at = VALUES(end_at)");
  }
  return end(std::move(failure));
}

Status JournalRegistry::retire(uint64_t journal_id) { return end(retire_one(journal_id)); }

Status JournalRegistry::set_position(const RegisteredJournal& journal, uint32_t shelves,
                                     uint64_t position, uint64_t fingerprint) {
  const std::string id = std::to_string(journal.journal_id);
  auto failure = connection_.exec("DELETE FROM sluice_checkpoint" + of_journal(journal.journal_id));
  if (!failure) {
    failure = connection_.exec(
        "INSERT INTO sluice_journal (journal_id, proxy_id, shelves, host, incarnation, created_at,"
        " updated_at) SELECT " +
        id + "," + std::to_string(journal.proxy_id) + "," + std::to_string(shelves) +
        ",'',0,NOW(3),NOW(3) FROM DUAL WHERE NOT EXISTS"
        " (SELECT 1 FROM sluice_journal x WHERE x.journal_id = " +
        id + ")");
  }
  if (!failure) failure = insert_checkpoint(journal.journal_id, position, fingerprint);
  return end(std::move(failure));
}

}  // namespace sluice::ctl
