#include "flusher/dead_letter.h"

#include "flusher/item_rows.h"
#include "flusher/json_text.h"

namespace sluice::flusher {
namespace {

using sql::Connection;
using sql::Failure;
using sql::FailureKind;

constexpr size_t kErrorBytesMax = 1024;
constexpr int kRetryBatch = 100;

// The server's message may quote the refused value, cut anywhere.
std::string printable(std::string_view text) {
  std::string out;
  for (const char c : text.substr(0, kErrorBytesMax)) out += c >= ' ' && c < 0x7f ? c : '?';
  return out;
}

std::optional<Failure> read_letters(Connection& connection, std::string& after,
                                    std::vector<sql::Row>& rows) {
  auto failure = connection.query(
      "SELECT journal_id, sequence, record,"
      " CAST(ROUND(UNIX_TIMESTAMP(cancelled_at) * 1000) AS UNSIGNED)"
      " FROM sluice_dead_letter WHERE (journal_id, sequence) > (" + after +
          ") ORDER BY journal_id, sequence LIMIT " + std::to_string(kRetryBatch),
      rows);
  connection.rollback();
  if (!failure && !rows.empty()) after = *rows.back()[0] + ", " + *rows.back()[1];
  return failure;
}

// The order, its item and the removal of its dead letter, without COMMIT.
std::optional<Failure> reinsert(Connection& connection, const OrderTable& orders,
                                const std::string& key, const OrderRow& row) {
  // First the removal: it keeps a second retry that runs at the same time from doing it twice.
  if (auto failure = connection.exec("DELETE FROM sluice_dead_letter" + key)) return failure;
  if (connection.affected_rows() != 1) {
    return Failure{FailureKind::kRefusedData, 0, "somebody else has removed it"};
  }
  std::string insert = orders.insert_head();
  orders.append_row(insert, row);
  if (auto failure = connection.exec(insert)) return failure;
  if (row.cancelled_ms != 0) return std::nullopt;
  ChangeSet changes;
  ItemChange& item = changes.item(row.record->item);
  item.sold = row.record->quantity;
  item.updated_ms = row.record->time_ms;
  return update_items(connection, changes, connection.max_allowed_packet());
}

}  // namespace

std::optional<Failure> insert_dead_letter(Connection& connection, uint64_t journal_id,
                                          const OrderRow& row, const Failure& reason) {
  const journal::Record& order = *row.record;
  std::string insert =
      "INSERT INTO sluice_dead_letter (journal_id, sequence, order_id, error_code, error, record,"
      " cancelled_at, created_at) VALUES (" +
      std::to_string(journal_id) + "," + std::to_string(order.sequence) + "," +
      std::to_string(order.order_id) + "," + std::to_string(reason.code) + ",";
  sql::append_quoted(insert, printable(reason.message));
  insert += ',';
  sql::append_quoted(insert, record_json(order));
  insert += ',';
  if (row.cancelled_ms == 0) {
    insert += "NULL";
  } else {
    append_datetime(insert, row.cancelled_ms);
  }
  return connection.exec(insert + ",NOW(3))");
}

std::optional<Failure> cancel_dead_letter(Connection& connection, uint64_t order_id,
                                          int64_t time_ms) {
  std::string update = "UPDATE sluice_dead_letter SET cancelled_at = ";
  append_datetime(update, time_ms);
  return connection.exec(update + " WHERE order_id = " + std::to_string(order_id) +
                         " AND cancelled_at IS NULL");
}

std::optional<Failure> count_dead_letters(Connection& connection, uint64_t& count) {
  std::vector<sql::Row> rows;
  auto failure = connection.query("SELECT COUNT(*) FROM sluice_dead_letter", rows);
  connection.rollback();
  if (!failure) count = std::stoull(*rows[0][0]);
  return failure;
}

std::optional<Failure> retry_dead_letters(Connection& connection, const OrderTable& orders,
                                          RetryReport& report) {
  std::string after = "0, 0";
  std::vector<sql::Row> rows;
  while (true) {
    if (auto failure = read_letters(connection, after, rows)) return failure;
    if (rows.empty()) return std::nullopt;
    for (const sql::Row& letter : rows) {
      ++report.tried;
      std::string storage;
      const auto record = parse_record_json(*letter[2], storage);
      if (!record) continue;  // not written by us; stays for a person to look at
      const OrderRow row{&*record, letter[3] ? std::stoll(*letter[3]) : 0};
      const std::string key =
          " WHERE journal_id = " + *letter[0] + " AND sequence = " + *letter[1];
      auto failure = reinsert(connection, orders, key, row);
      if (!failure) failure = connection.exec("COMMIT");
      if (!failure) {
        ++report.inserted;
        continue;
      }
      connection.rollback();
      const bool of_the_row = failure->kind == FailureKind::kRefusedData ||
                              failure->kind == FailureKind::kDuplicate;
      if (!of_the_row) return failure;
    }
  }
}

}  // namespace sluice::flusher
