// Sluice's tables: conf/schema.sql, compiled in.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sql/connection.h"

namespace sluice::sql {

// The file as it is.
std::string_view schema_text();

// Its statements, without comments and semicolons.
std::vector<std::string> schema_statements();
// What the orders table is called there.
inline constexpr std::string_view kOrdersName = "`orders`";

// Connects without a database and creates options.database if it is not there.
std::optional<Failure> create_database(ConnectOptions options);

}  // namespace sluice::sql
