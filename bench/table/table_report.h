// The table for a person (100 columns), for a page of documentation, and for a program (one JSON
// object).
#pragma once

#include <string>

#include "bench/table/table.h"

namespace sluice::bench::table {

std::string table_text(const TableResult& result);
std::string table_markdown(const TableResult& result);
std::string table_json(const TableResult& result);

}  // namespace sluice::bench::table
