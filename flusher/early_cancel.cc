#include "flusher/early_cancel.h"

#include <algorithm>
#include <set>
#include <span>
#include <tuple>

namespace sluice::flusher {
namespace {

using sql::Connection;
using sql::Failure;

constexpr std::string_view kInOrders = " AND (order_id, item_id, user_id) IN (";

std::string where(std::span<const Cancellation> cancels) {
  return " WHERE order_id IN (" + ids_of(cancels) + ")" + std::string(kInOrders) +
         orders_of(cancels) + ")";
}

}  // namespace

std::optional<Failure> keep_early_cancels(Connection& connection,
                                          const std::vector<Cancellation>& missing) {
  if (missing.empty()) return std::nullopt;
  std::vector<sql::Row> rows;
  if (auto failure = connection.query("SELECT order_id, item_id, user_id FROM sluice_dead_letter" +
                                          where(missing) + " FOR UPDATE",
                                      rows)) {
    return failure;
  }
  using Order = std::tuple<uint64_t, std::string_view, std::string_view>;
  std::set<Order> dead;
  for (const sql::Row& row : rows) dead.emplace(std::stoull(*row[0]), *row[1], *row[2]);
  std::string values;
  for (const Cancellation& cancel : missing) {
    const journal::Record& order = *cancel.order;
    if (dead.contains(Order(order.order_id, order.item, order.user))) continue;
    std::string row = orders_of({&cancel, 1});
    row.back() = ',';  // its closing bracket
    orders::append_datetime(row, cancel.time_ms);
    values += (values.empty() ? "" : ",") + row + ')';
  }
  if (values.empty()) return std::nullopt;
  // The first cancel of an order counts.
  return connection.exec(
      "INSERT INTO sluice_early_cancel (order_id, item_id, user_id, cancelled_at) VALUES " +
      values + " ON DUPLICATE KEY UPDATE order_id = order_id");
}

std::optional<Failure> take_early_cancels(Connection& connection, ChangeSet& changes) {
  if (changes.orders.empty()) return std::nullopt;
  const auto id_of = [](const orders::OrderRow& row) { return row.record->order_id; };
  std::vector<sql::Row> rows;
  // FOR UPDATE: what is committed now, not what was when this transaction first read something.
  if (auto failure =
          connection.query("SELECT order_id, item_id, user_id,"
                           " TIMESTAMPDIFF(MICROSECOND, '1970-01-01', cancelled_at) DIV 1000"
                           " FROM sluice_early_cancel WHERE order_id BETWEEN " +
                               std::to_string(id_of(changes.orders.front())) + " AND " +
                               std::to_string(id_of(changes.orders.back())) + " FOR UPDATE",
                           rows)) {
    return failure;
  }
  std::vector<Cancellation> taken;
  for (const sql::Row& row : rows) {
    const uint64_t order_id = std::stoull(*row[0]);
    const auto order = std::lower_bound(
        changes.orders.begin(), changes.orders.end(), order_id,
        [&](const orders::OrderRow& one, uint64_t wanted) { return id_of(one) < wanted; });
    const bool is_here = order != changes.orders.end() && id_of(*order) == order_id &&
                         row[1] == order->record->item && row[2] == order->record->user;
    if (is_here) taken.push_back({order->record, std::stoll(*row[3])});
  }
  if (taken.empty()) return std::nullopt;
  changes.cancellations.insert(changes.cancellations.end(), taken.begin(), taken.end());
  return connection.exec("DELETE FROM sluice_early_cancel" + where(taken));
}

}  // namespace sluice::flusher
