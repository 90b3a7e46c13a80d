#include "flusher/over_items.h"

#include <spdlog/spdlog.h>

#include "base/clock.h"
#include "orders/order_table.h"

namespace sluice::flusher {
namespace {

constexpr size_t kItemsPerQuery = 1000;
constexpr int64_t kAheadMaxMs = 24 * 3'600'000;

}  // namespace

Result<journal::Compactor::Found> OverItems::find(const std::vector<std::string>& items,
                                                  int64_t until_ms) {
  journal::Compactor::Found found;
  found.absent.insert(items.begin(), items.end());
  std::string until, ahead;
  orders::append_datetime(until, until_ms);
  // A CLOSE of a clock that was far ahead counts as old enough.
  orders::append_datetime(ahead, base::wall_ms() + kAheadMaxMs);
  for (size_t begin = 0; begin < items.size(); begin += kItemsPerQuery) {
    std::string query = "SELECT item_id, COALESCE(end_at <= " + until +
                        " OR state = 'closed' AND (state_at <= " + until + " OR state_at > " +
                        ahead + "), 0) FROM items WHERE item_id IN (";
    for (size_t i = begin; i < std::min(begin + kItemsPerQuery, items.size()); ++i) {
      if (i > begin) query += ',';
      sql::append_quoted(query, items[i]);
    }
    query += ')';
    std::optional<sql::Failure> failure;
    if (!connection_.connected()) failure = connection_.connect(mysql_);
    std::vector<sql::Row> rows;
    if (!failure) failure = connection_.query(query, rows);
    connection_.rollback();
    if (failure) {
      spdlog::warn("janitor: {}; no item's history is let go until it is known which are over",
                   failure->text());
      return Error(ErrorClass::kUnavailable, failure->text());
    }
    for (const sql::Row& row : rows) {
      const std::string item = row[0].value_or("");
      found.absent.erase(item);
      if (row[1] == "1") found.over.insert(item);
    }
  }
  return found;
}

}  // namespace sluice::flusher
