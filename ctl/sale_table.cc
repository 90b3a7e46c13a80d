// Items as a table has them: a CSV file (RFC 4180, with a header), or the rows of a SELECT.
#include <algorithm>
#include <array>
#include <map>
#include <set>

#include "base/file.h"
#include "ctl/sale_item.h"
#include "resp/names.h"

namespace sluice::ctl {
namespace {

constexpr std::array<std::string_view, 6> kSaleColumns = {"item",  "stock", "limit",
                                                          "start", "end",   "hold"};

// Reads a text line by line; a quoted cell may hold line ends.
class CsvReader {
 public:
  CsvReader(std::string path, std::string_view text) : path_(std::move(path)), text_(text) {
    text_ = base::without_byte_order_mark(text_);  // Excel writes one
  }

  bool at_end() const { return text_.empty(); }
  std::string where() const { return path_ + ":" + std::to_string(line_); }

  // The cells of the line that begins here. kInvalid: a quote that nobody closes, or text after it.
  Result<std::vector<std::string>> line() {
    std::vector<std::string> cells;
    const std::string begin = where();
    for (;;) {
      auto cell = !text_.empty() && text_.front() == '"' ? quoted_cell(begin) : plain_cell();
      if (!cell) return cell.error();
      cells.push_back(std::move(*cell));
      if (text_.empty()) return cells;
      const char end = text_.front();
      text_.remove_prefix(1);
      if (end == ',') continue;
      ++line_;
      return cells;
    }
  }

 private:
  static std::string trimmed(std::string_view text) {
    while (!text.empty() && std::string_view(" \t\r").find(text.back()) != text.npos)
      text.remove_suffix(1);
    while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
    return std::string(text);
  }

  Result<std::string> plain_cell() {
    const size_t end = std::min(text_.find_first_of(",\n"), text_.size());
    std::string cell = trimmed(text_.substr(0, end));
    text_.remove_prefix(end);
    return cell;
  }

  Result<std::string> quoted_cell(const std::string& begin) {
    std::string cell;
    text_.remove_prefix(1);
    for (;;) {
      if (text_.empty()) return base::invalid(begin + ": a quote is not closed");
      const char c = text_.front();
      text_.remove_prefix(1);
      if (c == '\n') ++line_;
      if (c != '"') {
        cell += c;
      } else if (text_.starts_with('"')) {
        cell += '"';
        text_.remove_prefix(1);
      } else {
        break;
      }
    }
    const auto rest = plain_cell();
    if (!rest->empty()) return base::invalid(begin + ": text after a closing quote");
    return cell;
  }

  std::string path_;
  std::string_view text_;
  size_t line_ = 1;
};

bool is_blank(const std::vector<std::string>& cells) {
  return std::all_of(cells.begin(), cells.end(),
                     [](const std::string& cell) { return cell.empty(); });
}

// Each is known, none comes twice, and those are there without which there is no item.
void check_columns(const SaleTable& table, std::vector<std::string>& problems) {
  std::set<std::string_view> seen;
  for (const std::string& column : table.columns) {
    const bool known =
        std::find(kSaleColumns.begin(), kSaleColumns.end(), column) != kSaleColumns.end();
    if (known && seen.insert(column).second) continue;
    problems.push_back(
        table.where_columns + ": column \"" + column + "\" " +
        (known ? "stands there twice" : "is none of item, stock, limit, start, end, hold"));
  }
  for (const std::string_view column : {"item", "stock"}) {
    if (seen.contains(column)) continue;
    problems.push_back(table.where_columns + ": there is no column \"" + std::string(column) +
                       "\"");
  }
}

}  // namespace

Result<SaleTable> parse_csv(const std::string& path, std::string_view text) {
  SaleTable table;
  CsvReader reader(path, text);
  while (!reader.at_end()) {
    const std::string where = reader.where();
    auto cells = reader.line();
    if (!cells) return cells.error();
    if (is_blank(*cells)) continue;
    if (!table.columns.empty()) {
      table.rows.push_back({where, std::move(*cells)});
      continue;
    }
    table.where_columns = where;
    table.columns = std::move(*cells);
    for (std::string& column : table.columns) column = resp::lower(column);
  }
  if (table.columns.empty()) {
    return base::invalid(path + ": is empty; its first line is item,stock,limit,start,end,hold");
  }
  return table;
}

std::vector<SaleRow> sale_rows(const SaleTable& table, std::vector<std::string>& problems) {
  check_columns(table, problems);
  if (!problems.empty()) return {};
  std::vector<SaleRow> rows;
  std::map<std::string, std::string> first;  // item → where
  for (const SaleTable::Row& row : table.rows) {
    const size_t before = problems.size();
    if (row.cells.size() != table.columns.size()) {
      problems.push_back(row.where + ": has " + std::to_string(row.cells.size()) +
                         " columns, the header " + std::to_string(table.columns.size()));
      continue;
    }
    SaleRow made{row.where, {}};
    for (size_t i = 0; i < row.cells.size(); ++i) {
      const Status set = set_column(made.item, table.columns[i], row.cells[i]);
      if (!set)
        problems.push_back(row.where + ": " + table.columns[i] + ": " + set.error().message());
    }
    if (problems.size() == before) {
      if (const Status whole = check_whole(made.item); !whole)
        problems.push_back(row.where + ": " + whole.error().message());
    }
    if (problems.size() != before) continue;
    const auto [seen, is_new] = first.emplace(made.item.name, row.where);
    if (is_new)
      rows.push_back(std::move(made));
    else
      problems.push_back(row.where + ": item: " + made.item.name + " stands at " + seen->second +
                         " already");
  }
  return rows;
}

}  // namespace sluice::ctl
