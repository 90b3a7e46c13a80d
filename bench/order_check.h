// What MySQL holds after a drain, compared with what buyers were told.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "base/error.h"
#include "sql/connection.h"

namespace sluice::bench {

// The orders that buyers of an item were told of, each of one unit, without keeping them: their
// number, and all ids, mixed, by exclusive or. Not the ids themselves: they are counted up, and of
// neighbours one pair has the same exclusive or as the next.
struct Acknowledged {
  uint64_t orders = 0;
  uint64_t ids = 0;

  void add(uint64_t order_id) {
    ++orders;
    ids ^= (order_id % 2147483647) * (order_id % 2147483629);  // as kQuestions does
  }
  void add(const Acknowledged& other) {
    orders += other.orders;
    ids ^= other.ids;
  }
};
using AcceptedOrders = std::map<std::string, Acknowledged>;  // by item

// Ok if every item has exactly the orders that were acknowledged, no two of one buyer, and
// items.sold says the same; else an error that names each item that differs. Reads the whole table.
Status check_accepted(const sql::ConnectOptions& database, const AcceptedOrders& accepted);

// "10.11.6-MariaDB".
Result<std::string> database_version(const sql::ConnectOptions& database);

// Sluice's tables, as the flusher makes them.
Status create_tables(const sql::ConnectOptions& database);

}  // namespace sluice::bench
