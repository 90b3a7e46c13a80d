#include "flusher/early_cancel.h"

#include <algorithm>
#include <set>
#include <span>
#include <tuple>

#include "flusher/dead_letter.h"
#include "flusher/deleted_item.h"
#include "flusher/item_rows.h"

namespace sluice::flusher {
namespace {

using sql::Connection;
using sql::Failure;

constexpr size_t kMeetingsPerTransaction = 500;
constexpr std::string_view kInOrders = " AND (order_id, item_id, user_id) IN (";

std::string where(std::span<const Cancellation> cancels) {
  return " WHERE order_id IN (" + ids_of(cancels) + ")" + std::string(kInOrders) +
         orders_of(cancels) + ")";
}

}  // namespace

std::optional<Failure> keep_early_cancels(Connection& connection,
                                          const std::vector<Cancellation>& missing,
                                          const std::set<uint64_t>& own,
                                          std::vector<Cancellation>& gone) {
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
    if (own.contains(order.order_id)) {
      gone.push_back(cancel);
      continue;
    }
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

namespace {

// One cancel and what it meets.
struct Meeting {
  uint64_t order_id = 0;
  std::string item, user;
  int64_t cancelled_ms = 0;
  int64_t quantity = 0;  // of a row that is to be cancelled; 0: it is cancelled already
  bool is_dead = false;  // it meets a dead letter
};

std::string in_range(const OrderRange& range) {
  return "order_id BETWEEN " + std::to_string(range.first) + " AND " + std::to_string(range.last);
}

std::optional<Failure> find_any(Connection& connection, const OrderRange& range, bool& any) {
  std::vector<sql::Row> rows;
  auto failure = connection.query(
      "SELECT order_id FROM sluice_early_cancel WHERE " + in_range(range) + " LIMIT 1", rows);
  any = !rows.empty();
  return failure;
}

// `lock`: " FOR UPDATE" or nothing.
std::optional<Failure> find_meetings(Connection& connection, const orders::OrderTable& orders,
                                     const OrderRange& range, const std::string& lock,
                                     std::vector<Meeting>& found) {
  const auto read = [&](const std::string& what, const std::string& table,
                        bool is_dead) -> std::optional<Failure> {
    std::vector<sql::Row> rows;
    if (auto failure = connection.query(
            "SELECT e.order_id, e.item_id, e.user_id,"
            " TIMESTAMPDIFF(MICROSECOND, '1970-01-01', e.cancelled_at) DIV 1000, " +
                what + " FROM sluice_early_cancel e JOIN " + table +
                " t ON t.order_id = e.order_id AND t.item_id = e.item_id AND t.user_id = e.user_id"
                " WHERE e." +
                in_range(range) + " ORDER BY e.order_id LIMIT " +
                std::to_string(kMeetingsPerTransaction) + lock,
            rows)) {
      return failure;
    }
    for (const sql::Row& row : rows) {
      found.push_back({std::stoull(*row[0]), *row[1], *row[2], std::stoll(*row[3]),
                       std::stoll(*row[4]), is_dead});
    }
    return std::nullopt;
  };
  found.clear();
  if (auto failure = read("IF(t.status = 'cancelled', 0, t.quantity)", orders.quoted_name(), false))
    return failure;
  return read("0", "sluice_dead_letter", true);
}

std::optional<Failure> cancel_orders(Connection& connection, const orders::OrderTable& orders,
                                     const std::vector<Cancellation>& cancels, ChangeSet& changes) {
  if (cancels.empty()) return std::nullopt;
  if (auto failure = connection.exec(orders.cancel(times_of(cancels), ids_of(cancels))))
    return failure;
  if (auto failure = take_deleted_items(connection, changes)) return failure;
  return update_items(connection, changes, connection.max_allowed_packet());
}

std::optional<Failure> settle(Connection& connection, const orders::OrderTable& orders,
                              const OrderRange& range, std::vector<Meeting>& found) {
  if (auto failure = find_meetings(connection, orders, range, " FOR UPDATE", found)) return failure;
  if (found.empty()) return std::nullopt;
  std::vector<journal::Record> records(found.size());
  std::vector<Cancellation> all, live, dead;
  ChangeSet changes;
  for (size_t i = 0; i < found.size(); ++i) {
    const Meeting& one = found[i];
    journal::Record& record = records[i];
    record.order_id = one.order_id;
    record.item = one.item;
    record.user = one.user;
    const Cancellation cancel{&record, one.cancelled_ms};
    all.push_back(cancel);
    if (one.is_dead) dead.push_back(cancel);
    if (one.quantity == 0) continue;
    live.push_back(cancel);
    ItemChange& item = changes.item(one.item);
    item.sold -= one.quantity;
    item.updated_ms = std::max(item.updated_ms, one.cancelled_ms);
  }
  if (auto failure = cancel_orders(connection, orders, live, changes)) return failure;
  if (!dead.empty()) {
    if (auto failure = cancel_dead_letters(connection, dead)) return failure;
  }
  return connection.exec("DELETE FROM sluice_early_cancel" + where(all));
}

}  // namespace

std::optional<Failure> settle_early_cancels(Connection& connection,
                                            const orders::OrderTable& orders,
                                            const OrderRange& range, uint64_t& settled) {
  settled = 0;
  std::vector<Meeting> found;
  while (true) {
    // Mostly there is none, and nothing need be locked to see that.
    bool any = false;
    auto failure = find_any(connection, range, any);
    if (!failure && any) failure = find_meetings(connection, orders, range, "", found);
    connection.rollback();
    if (failure || !any || found.empty()) return failure;
    failure = settle(connection, orders, range, found);
    if (!failure) failure = connection.exec("COMMIT");
    if (failure) {
      connection.rollback();
      return failure;
    }
    settled += found.size();
  }
}

}  // namespace sluice::flusher
