// The rows that earlier batches brought: found, and changed.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "flusher/change_set.h"
#include "sql/connection.h"

namespace sluice::flusher {

// The rows of one table with these numbers, as OrderTable::find() has them. Of many tables one may
// have been dropped since, with its orders: then there are none.
std::optional<sql::Failure> find_rows(sql::Connection& connection, const orders::OrderTable& orders,
                                      const std::string& table, const std::string& ids, bool lock,
                                      std::vector<sql::Row>& rows);

// Gives the rows their new statuses, whatever theirs are.
std::optional<sql::Failure> change_rows(sql::Connection& connection,
                                        const orders::OrderTable& orders, const std::string& table,
                                        std::span<const OrderChange> changes);

}  // namespace sluice::flusher
