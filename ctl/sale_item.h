// An item as `sluice-ctl sale` is told of it: on the command line, in a CSV file, or by a SELECT.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace sluice::ctl {

struct SaleItem {
  std::string name;
  int64_t stock = 0;
  int64_t limit = 0;  // 0: none, like the next three
  int64_t start_ms = 0;
  int64_t end_ms = 0;
  int64_t hold_ms = 0;
};

// ISO 8601 with a zone ("2026-12-01T10:00:00+08:00", "…Z") or ms since 1970. kInvalid: says why, of
// seconds and of a time without a zone, too.
Result<int64_t> parse_sale_time(std::string_view text);

// Sets what the column item, stock, limit, start, end or hold says; "" sets nothing. kInvalid: says
// what is wrong with it, without the column's name.
Status set_column(SaleItem& item, std::string_view column, const std::string& text);
// What no column alone tells: something is missing, or END is not after START.
Status check_whole(const SaleItem& item);
// Of an item that is yet to be made: it starts or ends in the past, or very far ahead. kInvalid:
// names the column.
Status check_times(const SaleItem& item, int64_t now_ms);

// Where it was found, for messages: "items.csv:3", "row 3"; "": on the command line.
struct SaleRow {
  std::string where;
  SaleItem item;
};

// Columns and cells, as a CSV file or a SELECT has them.
struct SaleTable {
  struct Row {
    std::string where;
    std::vector<std::string> cells;
  };
  std::string where_columns;  // where their names stand
  std::vector<std::string> columns;
  std::vector<Row> rows;
};

// The text of a file with a header. kInvalid: names file and line.
Result<SaleTable> parse_csv(const std::string& path, std::string_view text);
// All that is wrong goes into `problems`, a line each that names the place.
std::vector<SaleRow> sale_rows(const SaleTable& table, std::vector<std::string>& problems);

}  // namespace sluice::ctl
