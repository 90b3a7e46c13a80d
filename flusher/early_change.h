// Payments, cancels and expiries whose order is not in MySQL yet: kept in sluice_early_change until
// it comes.
//
// Within one journal none of them overtakes its order. But two proxies may sell the same item, each
// with a journal and a flusher of its own; a buyer pays or cancels through the one what he bought
// through the other, and that journal may be drained hours before the order's.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "flusher/change_set.h"
#include "sql/connection.h"

namespace sluice::flusher {

// The two meet in a transaction of their own, after either's commit: whichever was committed last
// sees both then. So nothing hangs on locks between the two, which READ COMMITTED does not keep,
// nor the nodes of a cluster.

// In the open transaction: keeps those of the changes whose order is no dead letter either. Of
// `own`, order ids of this journal which no row has, none overtakes its order: somebody has taken
// the row out of the table; those are left to the caller, in `gone`.
std::optional<sql::Failure> keep_early_changes(sql::Connection& connection,
                                               const std::vector<OrderChange>& missing,
                                               const std::set<uint64_t>& own,
                                               std::vector<OrderChange>& gone);

// Order ids, both ends included.
struct OrderRange {
  uint64_t first = 0, last = UINT64_MAX;
};

// Changes the orders and dead letters of that range whose changes are here, in transactions of its
// own. `settled`: how many that were.
std::optional<sql::Failure> settle_early_changes(sql::Connection& connection,
                                                 const orders::OrderTable& orders,
                                                 const OrderRange& range, uint64_t& settled);

}  // namespace sluice::flusher
