#include "flusher/deleted_item.h"

#include <string>
#include <vector>

namespace sluice::flusher {
namespace {

using sql::Connection;
using sql::Failure;

std::string where(const std::string& item_id) {
  std::string condition = " WHERE item_id = ";
  sql::append_quoted(condition, item_id);
  return condition;
}

// Of the item itself: what the batch does to it besides, it does to the one that is made anew.
bool is_touched(const ItemChange& change) {
  return change.stock != 0 || change.sold != 0 || change.settings != nullptr ||
         change.open.has_value();
}

}  // namespace

std::optional<Failure> delete_items(Connection& connection, const ChangeSet& changes) {
  for (const auto& [item_id, change] : changes.items) {
    if (!change.deleted) continue;
    for (const std::string& statement :
         {"INSERT INTO sluice_deleted_item (item_id, units) SELECT item_id, sold FROM items" +
              where(item_id) + " AND sold <> 0 ON DUPLICATE KEY UPDATE units = VALUES(units)",
          "DELETE FROM items" + where(item_id)}) {
      if (auto failure = connection.exec(statement)) return failure;
    }
  }
  return std::nullopt;
}

std::optional<Failure> take_deleted_items(Connection& connection, ChangeSet& changes) {
  std::string names;
  for (const auto& [item_id, change] : changes.items) {
    if (!is_touched(change)) continue;
    names += names.empty() ? "" : ",";
    sql::append_quoted(names, item_id);
  }
  if (names.empty()) return std::nullopt;
  std::vector<sql::Row> rows;
  // FOR UPDATE: what is committed now, not what was when this transaction first read something.
  if (auto failure = connection.query(
          "SELECT item_id, units FROM sluice_deleted_item WHERE item_id IN (" + names +
              ") FOR UPDATE",
          rows)) {
    return failure;
  }
  for (const sql::Row& row : rows) {
    ItemChange& change = changes.item(*row[0]);
    change.stock += std::stoll(*row[1]);
    change.sold += std::stoll(*row[1]);
    if (auto failure = connection.exec("DELETE FROM sluice_deleted_item" + where(*row[0])))
      return failure;
  }
  return std::nullopt;
}

}  // namespace sluice::flusher
