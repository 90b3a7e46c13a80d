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
  return change.settings != nullptr || change.open.has_value();
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

std::string datetime(int64_t time_ms) {
  std::string out;
  orders::append_datetime(out, time_ms);
  return out;
}

// Another proxy's journal may have brought a later word already. MySQL assigns from left to right.
std::string definition(const std::string& item_id, const ItemChange& change) {
  std::string update = "UPDATE items SET ";
  const auto set = [&](const std::string& column, const std::string& value,
                       const std::string& at_column, const std::string& at) {
    update += column + " = IF(" + at_column + " > " + at + ", " + column + ", " + value + "), ";
  };
  const auto set_time = [&](const std::string& column, const std::string& at) {
    update += column + " = GREATEST(COALESCE(" + column + ", " + at + "), " + at + "), ";
  };
  if (const journal::Record* settings = change.settings) {
    const std::string at = datetime(settings->time_ms);
    set("limit_per_user", std::to_string(settings->limit), "settings_at", at);
    set("start_at", orders::datetime_or_null(settings->start_ms), "settings_at", at);
    set("end_at", orders::datetime_or_null(settings->end_ms), "settings_at", at);
    set("hold_ms", std::to_string(settings->hold_ms), "settings_at", at);
    set_time("settings_at", at);
  }
  if (change.open) {
    const std::string at = datetime(change.open_ms);
    set("state", *change.open ? "'open'" : "'closed'", "state_at", at);
    set_time("state_at", at);
  }
  update.resize(update.size() - 2);
  update += " WHERE item_id = ";
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
