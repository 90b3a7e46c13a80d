#include "flusher/early_change.h"

#include <algorithm>
#include <optional>
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

std::string where(std::span<const OrderChange> changes) {
  return " WHERE order_id IN (" + ids_of(changes) + ")" + std::string(kInOrders) +
         orders_of(changes) + ")";
}

}  // namespace

std::optional<Failure> keep_early_changes(Connection& connection,
                                          const std::vector<OrderChange>& missing,
                                          const std::set<uint64_t>& own,
                                          std::vector<OrderChange>& gone) {
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
  for (const OrderChange& change : missing) {
    const journal::Record& order = *change.order;
    if (dead.contains(Order(order.order_id, order.item, order.user))) continue;
    if (own.contains(order.order_id)) {
      gone.push_back(change);
      continue;
    }
    std::string row = orders_of({&change, 1});
    row.back() = ',';  // its closing bracket
    row.append("'").append(word_of(change.status)).append("',");
    orders::append_datetime(row, change.time_ms);
    values += (values.empty() ? "" : ",") + row + ')';
  }
  if (values.empty()) return std::nullopt;
  // The first one counts, but for what comes behind a payment. MySQL assigns from left to right.
  const std::string goes_on = "IF(status = 'paid' AND VALUES(status) <> 'paid', ";
  return connection.exec(
      "INSERT INTO sluice_early_change (order_id, item_id, user_id, status, changed_at) VALUES " +
      values + " ON DUPLICATE KEY UPDATE changed_at = " + goes_on +
      "VALUES(changed_at), changed_at), status = " + goes_on + "VALUES(status), status)");
}

namespace {

// One change and what it meets.
struct Meeting {
  uint64_t order_id = 0;
  std::string item, user;
  orders::OrderStatus status = orders::OrderStatus::kCancelled;
  int64_t changed_ms = 0;
  int64_t quantity = 0;
  std::optional<orders::OrderStatus> row;  // the row's status; nullopt: it meets a dead letter
};

std::string in_range(const OrderRange& range) {
  return "order_id BETWEEN " + std::to_string(range.first) + " AND " + std::to_string(range.last);
}

std::optional<Failure> find_any(Connection& connection, const OrderRange& range, bool& any) {
  std::vector<sql::Row> rows;
  auto failure = connection.query(
      "SELECT order_id FROM sluice_early_change WHERE " + in_range(range) + " LIMIT 1", rows);
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
            "SELECT e.order_id, e.item_id, e.user_id, e.status,"
            " TIMESTAMPDIFF(MICROSECOND, '1970-01-01', e.changed_at) DIV 1000, " +
                what + " FROM sluice_early_change e JOIN " + table +
                " t ON t.order_id = e.order_id AND t.item_id = e.item_id AND t.user_id = e.user_id"
                " WHERE e." +
                in_range(range) + " ORDER BY e.order_id LIMIT " +
                std::to_string(kMeetingsPerTransaction) + lock,
            rows)) {
      return failure;
    }
    for (const sql::Row& row : rows) {
      Meeting& one = found.emplace_back();
      one.order_id = std::stoull(*row[0]);
      one.item = *row[1], one.user = *row[2];
      one.status = orders::status_of_word(*row[3]).value_or(one.status);
      one.changed_ms = std::stoll(*row[4]);
      one.quantity = std::stoll(*row[5]);
      if (!is_dead) one.row = orders.status_of(row[6]);
    }
    return std::nullopt;
  };
  found.clear();
  if (auto failure = read("t.quantity, t.status", orders.quoted_name(), false)) return failure;
  return read("0, ''", "sluice_dead_letter", true);
}

std::optional<Failure> change_orders(Connection& connection, const orders::OrderTable& orders,
                                     const std::vector<OrderChange>& live, ChangeSet& changes) {
  if (live.empty()) return std::nullopt;
  for (const auto& group : by_status(live)) {
    if (auto failure =
            connection.exec(orders.change(group.front().status, times_of(group), ids_of(group)))) {
      return failure;
    }
  }
  if (auto failure = take_deleted_items(connection, changes)) return failure;
  return update_items(connection, changes, connection.max_allowed_packet());
}

std::optional<Failure> settle(Connection& connection, const orders::OrderTable& orders,
                              const OrderRange& range, std::vector<Meeting>& found) {
  if (auto failure = find_meetings(connection, orders, range, " FOR UPDATE", found)) return failure;
  if (found.empty()) return std::nullopt;
  std::vector<journal::Record> records(found.size());
  std::vector<OrderChange> all, live, dead;
  ChangeSet changes;
  for (size_t i = 0; i < found.size(); ++i) {
    const Meeting& one = found[i];
    journal::Record& record = records[i];
    record.order_id = one.order_id;
    record.item = one.item;
    record.user = one.user;
    const OrderChange change{&record, one.status, one.changed_ms};
    all.push_back(change);
    if (!one.row) dead.push_back(change);
    if (!one.row || !leads_to(*one.row, one.status)) continue;
    live.push_back(change);
    if (is_live(one.status)) continue;
    ItemChange& item = changes.item(one.item);
    item.sold -= one.quantity;
    item.updated_ms = std::max(item.updated_ms, one.changed_ms);
  }
  if (auto failure = change_orders(connection, orders, live, changes)) return failure;
  if (auto failure = change_dead_letters(connection, dead)) return failure;
  return connection.exec("DELETE FROM sluice_early_change" + where(all));
}

}  // namespace

std::optional<Failure> settle_early_changes(Connection& connection,
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
