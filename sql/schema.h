// Sluice's tables: conf/schema.sql, compiled in, and how to apply it.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sql/connection.h"

namespace sluice::sql {

// The file as it is.
std::string_view schema_text();

// Its statements, without comments and semicolons, for an orders table of that name (an
// identifier).
std::vector<std::string> schema_statements(std::string_view orders_table);

// Connects without a database and creates options.database if it is not there.
std::optional<Failure> create_database(ConnectOptions options);

// Runs them all. Each may be run again.
std::optional<Failure> apply_schema(Connection& connection, std::string_view orders_table);

}  // namespace sluice::sql
