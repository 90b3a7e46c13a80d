#include "flusher/order_rows.h"

namespace sluice::flusher {

using sql::Failure;

std::optional<Failure> find_rows(sql::Connection& connection, const orders::OrderTable& orders,
                                 const std::string& table, const std::string& ids, bool lock,
                                 std::vector<sql::Row>& rows) {
  rows.clear();
  auto failure = connection.query(orders.find(table, ids, lock), rows);
  const bool is_dropped = failure && failure->code == sql::kNoSuchTable && !orders.is_one_table();
  return is_dropped ? std::nullopt : failure;
}

std::optional<Failure> change_rows(sql::Connection& connection, const orders::OrderTable& orders,
                                   const std::string& table, std::span<const OrderChange> changes) {
  const std::string ids = orders.column(orders::OwnColumn::kOrderId);
  for (const auto& group : by_status(changes)) {
    if (auto failure = connection.exec(
            orders.change(table, group.front().status, times_of(group, ids), ids_of(group)))) {
      return failure;
    }
  }
  return std::nullopt;
}

}  // namespace sluice::flusher
