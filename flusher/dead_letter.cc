#include "flusher/dead_letter.h"

#include "flusher/deleted_item.h"
#include "flusher/item_rows.h"
#include "orders/json_text.h"

namespace sluice::flusher {
namespace {

using sql::Connection;
using sql::Failure;
using sql::FailureKind;

constexpr size_t kErrorBytesMax = 1024;
constexpr int kRetryBatch = 100;
constexpr int kReadMax = 1'000'000;
constexpr int kNoteBytesMax = 256;

// The server's message may quote the refused value, cut anywhere.
std::string printable(std::string_view text) {
  std::string out;
  for (const char c : text.substr(0, kErrorBytesMax)) out += c >= ' ' && c < 0x7f ? c : '?';
  return out;
}

// The keys of the letters after `after`, as WHERE clauses; moves `after` on.
std::optional<Failure> read_keys(Connection& connection, std::string& after,
                                 std::vector<std::string>& keys) {
  std::vector<sql::Row> rows;
  auto failure = connection.query(
      "SELECT journal_id, sequence FROM sluice_dead_letter WHERE (journal_id, sequence) > (" +
          after + ") ORDER BY journal_id, sequence LIMIT " + std::to_string(kRetryBatch),
      rows);
  connection.rollback();
  keys.clear();
  for (const sql::Row& row : rows) {
    after = *row[0] + ", " + *row[1];
    keys.push_back(" WHERE journal_id = " + *row[0] + " AND sequence = " + *row[1]);
  }
  return failure;
}

// One letter, without COMMIT: the order in, items.sold up, the letter out. `inserted` stays false
// if there is nothing to do.
std::optional<Failure> reinsert(Connection& connection, const orders::OrderTable& orders,
                                const std::string& key, bool& inserted) {
  inserted = false;
  // Locked before it is judged: a cancel, or a second retry, may be at it at the same time.
  std::vector<sql::Row> rows;
  if (auto failure = connection.query(
          "SELECT record, status, TIMESTAMPDIFF(MICROSECOND, '1970-01-01', changed_at) DIV 1000"
          " FROM sluice_dead_letter" +
              key + " FOR UPDATE",
          rows)) {
    return failure;
  }
  if (rows.empty()) return std::nullopt;
  std::string storage;
  const auto record = orders::parse_record_json(*rows[0][0], storage);
  if (!record) return std::nullopt;  // not written by us: stays for a person to look at
  const auto status = orders::status_of_word(rows[0][1].value_or(""));
  const orders::OrderRow row{&*record, status.value_or(orders::OrderStatus::kPlaced),
                             rows[0][2] ? std::stoll(*rows[0][2]) : 0};
  if (!orders.unfit(*record).empty()) return std::nullopt;
  std::string insert = orders.insert_head(orders.table_of(*record));
  orders.append_row(insert, row);
  if (auto failure = connection.exec(insert)) return failure;
  if (const orders::OrderTable* details = orders.details()) {
    insert = details->insert_head(details->table_of(*record));
    details->append_row(insert, row);
    if (auto failure = connection.exec(insert)) return failure;
  }
  if (auto failure = connection.exec("DELETE FROM sluice_dead_letter" + key)) return failure;
  inserted = true;
  if (!is_live(row.status)) return std::nullopt;
  ChangeSet changes;
  ItemChange& item = changes.item(record->item);
  item.sold = record->quantity;
  item.updated_ms = record->time_ms;
  if (auto failure = take_deleted_items(connection, changes)) return failure;
  return update_items(connection, changes, connection.max_allowed_packet());
}

}  // namespace

std::optional<Failure> insert_dead_letter(Connection& connection, uint64_t journal_id,
                                          const orders::OrderRow& row, const Failure& reason) {
  const journal::Record& order = *row.record;
  std::string insert =
      "INSERT INTO sluice_dead_letter (journal_id, sequence, order_id, item_id, user_id, "
      "error_code,"
      " error, record, status, changed_at, created_at) VALUES (" +
      std::to_string(journal_id) + "," + std::to_string(order.sequence) + "," +
      std::to_string(order.order_id) + ",";
  sql::append_quoted(insert, order.item);
  insert += ',';
  sql::append_quoted(insert, order.user);
  insert += "," + std::to_string(reason.code) + ",";
  sql::append_quoted(insert, printable(reason.message));
  insert += ',';
  sql::append_quoted(insert, orders::record_json(order));
  insert.append(",'").append(word_of(row.status)).append("',");
  insert += orders::datetime_or_null(row.changed_ms);
  // A drain that is repeated, since the checkpoints were set back by hand, finds its letters there,
  // with what became of the orders since.
  return connection.exec(insert + ",NOW(3)) ON DUPLICATE KEY UPDATE order_id = order_id");
}

std::optional<Failure> change_dead_letters(Connection& connection,
                                           std::span<const OrderChange> changes) {
  for (const auto& group : by_status(changes)) {
    const orders::OrderStatus status = group.front().status;
    std::string before;
    for (const orders::OrderStatus each : orders::kOrderStatuses) {
      if (!leads_to(each, status)) continue;
      before.append(before.empty() ? "'" : ",'").append(word_of(each)).append("'");
    }
    if (auto failure = connection.exec(
            "UPDATE sluice_dead_letter SET status = '" + std::string(word_of(status)) +
            "', changed_at = " + times_of(group) + " WHERE order_id IN (" + ids_of(group) +
            ") AND (order_id, item_id, user_id) IN (" + orders_of(group) + ") AND status IN (" +
            before + ")")) {
      return failure;
    }
  }
  return std::nullopt;
}

std::optional<Failure> tally_dead_letters(Connection& connection, DeadLetterTally& tally) {
  std::vector<sql::Row> rows;
  auto failure =
      connection.query("SELECT COUNT(*), BIT_XOR(order_id) FROM sluice_dead_letter", rows);
  connection.rollback();
  if (!failure) tally = {std::stoull(*rows[0][0]), std::stoull(*rows[0][1])};
  return failure;
}

std::optional<Failure> read_dead_letters(Connection& connection,
                                         std::vector<DeadLetterNote>& letters) {
  std::vector<sql::Row> rows;
  auto failure =
      connection.query("SELECT order_id, error_code, LEFT(error, " + std::to_string(kNoteBytesMax) +
                           ") FROM sluice_dead_letter LIMIT " + std::to_string(kReadMax),
                       rows);
  connection.rollback();
  letters.clear();
  for (const sql::Row& row : rows) {
    letters.push_back(
        {std::stoull(*row[0]), static_cast<uint32_t>(std::stoul(*row[1])), row[2].value_or("")});
  }
  return failure;
}

std::optional<Failure> retry_dead_letters(Connection& connection, const orders::OrderTable& orders,
                                          RetryReport& report) {
  std::string after = "0, 0";
  std::vector<std::string> keys;
  do {
    if (auto failure = read_keys(connection, after, keys)) return failure;
    for (const std::string& key : keys) {
      ++report.tried;
      bool inserted = false;
      auto failure = reinsert(connection, orders, key, inserted);
      if (!failure) failure = connection.exec("COMMIT");
      if (!failure) {
        report.inserted += inserted ? 1 : 0;
        continue;
      }
      connection.rollback();
      const bool of_the_row =
          failure->kind == FailureKind::kRefusedData || failure->kind == FailureKind::kDuplicate;
      if (!of_the_row) return failure;
    }
  } while (!keys.empty());
  return std::nullopt;
}

}  // namespace sluice::flusher
