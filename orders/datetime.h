// Times as SQL has them: DATETIME(3), in UTC. Times outside of DATETIME's years 1000–9999 become
// the nearest limit.
#pragma once

#include <cstdint>
#include <string>

#include "sql/bulk_rows.h"

namespace sluice::orders {

// Appends '2026-11-30 12:00:00.123'.
void append_datetime(std::string& out, int64_t time_ms);
// NULL for 0.
std::string datetime_or_null(int64_t time_ms);
sql::DateTime datetime_of(int64_t time_ms);

}  // namespace sluice::orders
