#include "flusher/early_cancel.h"

#include <algorithm>
#include <set>

namespace sluice::flusher {
namespace {

using sql::Connection;
using sql::Failure;

void append_id(std::string& ids, const std::string& id) {
  if (!ids.empty()) ids += ',';
  ids += id;
}

}  // namespace

std::optional<Failure> keep_early_cancels(Connection& connection,
                                          const std::vector<Cancellation>& missing) {
  if (missing.empty()) return std::nullopt;
  std::string ids;
  for (const Cancellation& cancel : missing) append_id(ids, std::to_string(cancel.order_id));
  std::vector<sql::Row> rows;
  if (auto failure = connection.query(
          "SELECT order_id FROM sluice_dead_letter WHERE order_id IN (" + ids + ") FOR UPDATE",
          rows)) {
    return failure;
  }
  std::set<uint64_t> dead;
  for (const sql::Row& row : rows) dead.insert(std::stoull(*row[0]));
  std::string values;
  for (const Cancellation& cancel : missing) {
    if (dead.contains(cancel.order_id)) continue;
    values += (values.empty() ? "(" : ",(") + std::to_string(cancel.order_id) + ",";
    orders::append_datetime(values, cancel.time_ms);
    values += ')';
  }
  if (values.empty()) return std::nullopt;
  // The first cancel of an order counts.
  return connection.exec("INSERT INTO sluice_early_cancel (order_id, cancelled_at) VALUES " +
                         values + " ON DUPLICATE KEY UPDATE order_id = order_id");
}

std::optional<Failure> take_early_cancels(Connection& connection, ChangeSet& changes) {
  if (changes.orders.empty()) return std::nullopt;
  const auto id_of = [](const orders::OrderRow& row) { return row.record->order_id; };
  std::vector<sql::Row> rows;
  // FOR UPDATE: what is committed now, not what was when this transaction first read something.
  if (auto failure = connection.query(
          "SELECT order_id, TIMESTAMPDIFF(MICROSECOND, '1970-01-01', cancelled_at) DIV 1000"
          " FROM sluice_early_cancel WHERE order_id BETWEEN " +
              std::to_string(id_of(changes.orders.front())) + " AND " +
              std::to_string(id_of(changes.orders.back())) + " FOR UPDATE",
          rows)) {
    return failure;
  }
  std::string ids;
  for (const sql::Row& row : rows) {
    const uint64_t order_id = std::stoull(*row[0]);
    const auto order = std::lower_bound(
        changes.orders.begin(), changes.orders.end(), order_id,
        [&](const orders::OrderRow& one, uint64_t wanted) { return id_of(one) < wanted; });
    if (order == changes.orders.end() || id_of(*order) != order_id) continue;
    append_id(ids, *row[0]);
    changes.cancellations.push_back({order_id, std::stoll(*row[1])});
  }
  if (ids.empty()) return std::nullopt;
  return connection.exec("DELETE FROM sluice_early_cancel WHERE order_id IN (" + ids + ")");
}

}  // namespace sluice::flusher
