// What MySQL holds after a drain, compared with what buyers were told.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "base/error.h"
#include "sql/connection.h"

namespace sluice::bench {

using AcceptedOrders = std::map<std::string, uint64_t>;  // item → purchases accepted, of one unit

// Ok if every item has exactly as many orders of as many buyers as were accepted, and items.sold
// says the same; else an error that names each item that differs.
Status check_accepted(const sql::ConnectOptions& database, const AcceptedOrders& accepted);

// "10.11.6-MariaDB".
Result<std::string> database_version(const sql::ConnectOptions& database);

// Sluice's tables, for a run in which no flusher makes them.
Status create_tables(const sql::ConnectOptions& database);

}  // namespace sluice::bench
