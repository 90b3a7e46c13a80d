#include "flusher/early_change.h"

#include <algorithm>
#include <list>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <tuple>

#include "flusher/dead_letter.h"
#include "flusher/deleted_item.h"
#include "flusher/item_rows.h"
#include "flusher/order_rows.h"

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
  std::string item, user;
  journal::Record order;  // order_id, item and user: views of these, so it stays where it is
  orders::OrderStatus status = orders::OrderStatus::kCancelled;
  int64_t changed_ms = 0;
  int64_t quantity = 0;
  std::optional<orders::OrderStatus> row;  // the row's status
  bool is_dead = false;                    // it meets a dead letter
};
using Meetings = std::list<Meeting>;

std::string in_range(const OrderRange& range) {
  return "order_id BETWEEN " + std::to_string(range.first) + " AND " + std::to_string(range.last);
}

// `lock`: " FOR UPDATE" or nothing.
std::optional<Failure> read_early(Connection& connection, const OrderRange& range,
                                  const std::string& lock, Meetings& found) {
  std::vector<sql::Row> rows;
  if (auto failure =
          connection.query("SELECT order_id, item_id, user_id, status,"
                           " TIMESTAMPDIFF(MICROSECOND, '1970-01-01', changed_at) DIV 1000"
                           " FROM sluice_early_change WHERE " +
                               in_range(range) + " ORDER BY order_id LIMIT " +
                               std::to_string(kMeetingsPerTransaction) + lock,
                           rows)) {
    return failure;
  }
  for (const sql::Row& row : rows) {
    Meeting& one = found.emplace_back();
    one.order.order_id = std::stoull(*row[0]);
    one.item = *row[1], one.user = *row[2];
    one.status = orders::status_of_word(*row[3]).value_or(one.status);
    one.changed_ms = std::stoll(*row[4]);
    one.order.item = one.item, one.order.user = one.user;
  }
  return std::nullopt;
}

// Notes what rows there are of them.
std::optional<Failure> find_in_orders(Connection& connection, const orders::OrderTable& orders,
                                      bool lock, Meetings& early) {
  std::map<std::string, std::string> ids;  // by table
  for (const Meeting& one : early) {
    std::string& of_table = ids[orders.table_of(one.order)];
    of_table += (of_table.empty() ? "" : ",") + std::to_string(one.order.order_id);
  }
  for (const auto& [table, of_table] : ids) {
    std::vector<sql::Row> rows;
    if (auto failure = find_rows(connection, orders, table, of_table, lock, rows)) return failure;
    for (const sql::Row& row : rows) {
      for (Meeting& one : early) {
        const bool is_its =
            std::stoull(*row[0]) == one.order.order_id && row[1] == one.item && row[2] == one.user;
        if (!is_its) continue;
        one.quantity = std::stoll(*row[3]);
        one.row = orders.status_of(row[4]);
      }
    }
  }
  return std::nullopt;
}

std::optional<Failure> find_dead(Connection& connection, const std::string& lock, Meetings& early) {
  std::string keys;
  for (const Meeting& one : early)
    keys += (keys.empty() ? "" : ",") + std::to_string(one.order.order_id);
  std::vector<sql::Row> rows;
  if (auto failure = connection.query(
          "SELECT order_id, item_id, user_id FROM sluice_dead_letter WHERE order_id IN (" + keys +
              ")" + lock,
          rows)) {
    return failure;
  }
  for (const sql::Row& row : rows) {
    for (Meeting& one : early) {
      one.is_dead |=
          std::stoull(*row[0]) == one.order.order_id && row[1] == one.item && row[2] == one.user;
    }
  }
  return std::nullopt;
}

// What is kept of that range and has met its order: the first of them; `range` begins behind all
// that was looked at.
std::optional<Failure> find_meetings(Connection& connection, const orders::OrderTable& orders,
                                     OrderRange& range, bool lock, Meetings& found) {
  const std::string locking = lock ? " FOR UPDATE" : "";
  found.clear();
  if (auto failure = read_early(connection, range, locking, found)) return failure;
  range.first =
      found.size() < kMeetingsPerTransaction ? UINT64_MAX : found.back().order.order_id + 1;
  if (found.empty()) return std::nullopt;
  if (auto failure = find_in_orders(connection, orders, lock, found)) return failure;
  if (auto failure = find_dead(connection, locking, found)) return failure;
  std::erase_if(found, [](const Meeting& one) { return !one.row && !one.is_dead; });
  return std::nullopt;
}

std::optional<Failure> change_orders(Connection& connection, const orders::OrderTable& orders,
                                     const std::vector<OrderChange>& live, ChangeSet& changes) {
  if (live.empty()) return std::nullopt;
  for (const auto& [table, of_table] : by_table(orders, live)) {
    if (auto failure = change_rows(connection, orders, table, of_table)) return failure;
  }
  if (auto failure = take_deleted_items(connection, changes)) return failure;
  return update_items(connection, changes, connection.max_allowed_packet());
}

std::optional<Failure> settle(Connection& connection, const orders::OrderTable& orders,
                              const Meetings& found) {
  std::vector<OrderChange> all, live, dead;
  ChangeSet changes;
  for (const Meeting& one : found) {
    const OrderChange change{&one.order, one.status, one.changed_ms};
    all.push_back(change);
    if (one.is_dead) dead.push_back(change);
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
  Meetings found;
  for (OrderRange left = range; left.first != UINT64_MAX;) {
    OrderRange same = left;
    // Mostly there is none, and nothing need be locked to see that.
    auto failure = find_meetings(connection, orders, left, false, found);
    connection.rollback();
    if (failure) return failure;
    if (found.empty()) continue;
    failure = find_meetings(connection, orders, same, true, found);
    if (!failure && !found.empty()) failure = settle(connection, orders, found);
    if (!failure) failure = connection.exec("COMMIT");
    if (failure) {
      connection.rollback();
      return failure;
    }
    settled += found.size();
  }
  return std::nullopt;
}

}  // namespace sluice::flusher
