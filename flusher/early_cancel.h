// Cancels whose order is not in MySQL yet: kept in sluice_early_cancel until it comes.
//
// Within one journal a cancel never overtakes its order. But two proxies may sell the same item,
// each with a journal and a flusher of its own; a buyer cancels through the one what he bought
// through the other, and the cancel's journal may be drained hours before the order's.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "flusher/change_set.h"
#include "sql/connection.h"

namespace sluice::flusher {

// In the open transaction: keeps those of the cancels whose order is no dead letter either.
// `missing` must have been looked for in the orders table with FOR UPDATE: that holds up an INSERT
// of one of them until this transaction ends, so that its own take_early_cancels() finds it here.
std::optional<sql::Failure> keep_early_cancels(sql::Connection& connection,
                                               const std::vector<Cancellation>& missing);

// In the open transaction, after the orders' INSERT: moves the cancels that were here before them
// to changes.cancellations.
std::optional<sql::Failure> take_early_cancels(sql::Connection& connection, ChangeSet& changes);

}  // namespace sluice::flusher
