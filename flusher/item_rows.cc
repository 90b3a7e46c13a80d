#include "flusher/item_rows.h"

namespace sluice::flusher {
namespace {

using sql::Connection;
using sql::Failure;

constexpr size_t kItemRowBytes = 256;  // more than any row below takes

constexpr std::string_view kHead = "INSERT INTO items (item_id, stock, sold, updated_at) VALUES ";
// VALUES() is deprecated in MySQL 8.0.20 but is what both servers understand.
constexpr std::string_view kTail =
    " ON DUPLICATE KEY UPDATE stock = stock + VALUES(stock), sold = sold + VALUES(sold),"
    " updated_at = GREATEST(updated_at, VALUES(updated_at))";

bool defines(const ItemChange& change) {
  return change.created != nullptr || change.open.has_value();
}

bool changes_nothing(const ItemChange& change) {
  return change.stock == 0 && change.sold == 0 && !defines(change);
}

std::optional<Failure> add_counters(Connection& connection, const ChangeSet& changes,
                                    size_t statement_bytes) {
  std::string rows;
  const auto send = [&]() -> std::optional<Failure> {
    if (rows.empty()) return std::nullopt;
    const std::string statement = std::string(kHead) + rows + std::string(kTail);
    rows.clear();
    return connection.exec(statement);
  };
  for (const auto& [item_id, change] : changes.items) {
    if (changes_nothing(change)) continue;
    if (rows.size() + kHead.size() + kTail.size() + kItemRowBytes > statement_bytes) {
      if (auto failure = send()) return failure;
    }
    rows += rows.empty() ? "(" : ",(";
    sql::append_quoted(rows, item_id);
    rows += "," + std::to_string(change.stock) + "," + std::to_string(change.sold) + ",";
    orders::append_datetime(rows, change.updated_ms);
    rows += ')';
  }
  return send();
}

std::string definition(const std::string& item_id, const ItemChange& change) {
  std::string update = "UPDATE items SET ";
  if (change.created != nullptr) {
    update += "limit_per_user = " + std::to_string(change.created->limit) +
              ", start_at = " + orders::datetime_or_null(change.created->start_ms) +
              ", end_at = " + orders::datetime_or_null(change.created->end_ms) + ", ";
  }
  // A kCreate leaves its item open, so `open` is set whenever something is defined. Another proxy's
  // journal may have brought a later CLOSE already. MySQL assigns from left to right.
  std::string at;
  orders::append_datetime(at, change.open_ms);
  update += "state = IF(state_at > " + at + ", state, '" +
            (change.open.value_or(true) ? "open" : "closed") +
            "'), state_at = GREATEST(COALESCE(state_at, " + at + "), " + at + ") WHERE item_id = ";
  sql::append_quoted(update, item_id);
  return update;
}

}  // namespace

std::optional<Failure> update_items(Connection& connection, const ChangeSet& changes,
                                    size_t statement_bytes) {
  if (auto failure = add_counters(connection, changes, statement_bytes)) return failure;
  // Rare, and their rows are locked already: one statement each.
  for (const auto& [item_id, change] : changes.items) {
    if (!defines(change)) continue;
    if (auto failure = connection.exec(definition(item_id, change))) return failure;
  }
  return std::nullopt;
}

}  // namespace sluice::flusher
