// `sluice-ctl sale`: a sale from its items to its report.
#include "ctl/sale.h"

#include <cstdio>
#include <fstream>
#include <iterator>
#include <memory>

#include "ctl/commands.h"
#include "resp/names.h"
#include "sql/config.h"

namespace sluice::ctl {
namespace {

void add_sale_options(base::CommandLine& line, SaleOptions& options, const char* configs) {
  line.option("--config", &options.configs, configs).type_name("FILE").one_value_each();
  add_front_options(line, options.front);
  line.flag("--json", &options.json, "print one JSON object");
}

constexpr const char* kProxyConfig = "proxy.toml to take listen.address from";

struct CreateOptions : SaleOptions {
  std::string item, stock, limit, start, end, hold;
};

int create(const CreateOptions& options) {
  SaleRow row;
  std::vector<std::string> problems;
  const auto take = [&](const char* column, const std::string& text) {
    if (const Status set = set_column(row.item, column, text); !set)
      problems.push_back(std::string(column) + ": " + set.error().message());
  };
  take("item", options.item);
  take("stock", options.stock);
  take("limit", options.limit);
  take("start", options.start);
  take("end", options.end);
  take("hold", options.hold);
  if (!problems.empty()) return refuse(problems);
  if (const Status whole = check_whole(row.item); !whole) return refuse({whole.error().message()});
  return make_items(options, {row});
}

void add_create_command(base::CommandLine& line) {
  const auto options = std::make_shared<CreateOptions>();
  auto& command = line.command("create", "make one item");
  command.option("ITEM", &options->item, "its name").required();
  command.option("--stock", &options->stock, "units to sell").required().type_name("N");
  command.option("--limit", &options->limit, "units a buyer may have").type_name("N");
  command
      .option("--start", &options->start,
              "when it opens: 2026-12-01T10:00:00+08:00, or milliseconds since 1970; else at once")
      .type_name("TIME");
  command.option("--end", &options->end, "when it closes; else it does not").type_name("TIME");
  command
      .option("--hold", &options->hold,
              "how long an order may stay unpaid before it expires, such as 15m")
      .type_name("DURATION");
  add_sale_options(command, *options, kProxyConfig);
  command.footer(
      "Exit codes: 0 made, or there with the same settings; 1 there with others, or the proxy\n"
      "cannot do it now; 2 bad arguments.");
  command.does([options] { return create(*options); });
}

// All rows are looked at before the first item is made.
int make_of_table(const SaleOptions& options, const SaleTable& table) {
  std::vector<std::string> problems;
  const std::vector<SaleRow> rows = sale_rows(table, problems);
  if (!problems.empty()) return refuse(problems);
  if (rows.empty()) return refuse({table.where_columns + ": there is no item below it"});
  return make_items(options, rows);
}

struct ImportOptions : SaleOptions {
  std::string file;
};

int import(const ImportOptions& options) {
  std::ifstream file(options.file, std::ios::binary);
  const std::string text{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  // A folder opens, but cannot be read.
  if (!file.is_open() || file.bad()) return refuse({options.file + ": cannot be read"});
  const auto table = parse_csv(options.file, text);
  return table ? make_of_table(options, *table) : refuse({table.error().message()});
}

constexpr const char* kTableFooter =
    "Columns: item, stock, and where you like limit, start, end, hold. Empty: none. Times as for\n"
    "create. What is there with the same settings is fine, so it can be run again.\n"
    "Exit codes: 0 all are there now; 1 one is there with other settings, or a server does not\n"
    "answer; 2 bad arguments, or a row is wrong: each is named, and nothing was made.";

void add_import_command(base::CommandLine& line) {
  const auto options = std::make_shared<ImportOptions>();
  auto& command = line.command("import", "make the items of a CSV file, all or none");
  command.option("FILE", &options->file, "a CSV file with a header").required().type_name("FILE");
  add_sale_options(command, *options, kProxyConfig);
  command.footer(kTableFooter);
  command.does([options] { return import(*options); });
}

struct WarmOptions : SaleOptions {
  std::string select;
};

// The rows as of one moment; a statement that writes is refused.
Result<SaleTable> selected(const std::string& config_path, const std::string& select) {
  const auto config = read_config(flusher_keys(), config_path, {});
  if (!config) return config.error();
  const auto options = sql::connect_options(*config);
  if (!options) return options.error().at(config_path);
  sql::Connection connection;
  std::vector<sql::Row> rows;
  SaleTable table;
  auto failure = connection.connect(*options);
  if (!failure) failure = connection.exec("START TRANSACTION READ ONLY");
  if (!failure) failure = connection.query(select, rows, &table.columns);
  if (failure) return failure->error().at(options->text());
  table.where_columns = "--from-mysql";
  for (std::string& column : table.columns) column = resp::lower(column);
  for (const sql::Row& row : rows) {
    auto& made = table.rows.emplace_back();
    made.where = "row " + std::to_string(table.rows.size());
    for (const auto& cell : row) made.cells.push_back(cell.value_or(""));
  }
  return table;
}

int warm(const WarmOptions& options) {
  const auto flushers = configs_of(ConfigKind::kFlusher, options.configs);
  if (!flushers || flushers->empty()) {
    return refuse({flushers ? "--config: the file of a flusher is missing: it says where MySQL is"
                            : flushers.error().message()});
  }
  const auto table = selected(flushers->front(), options.select);
  if (table) return make_of_table(options, *table);
  std::fprintf(stderr, "sale: %s\n", table.error().message().c_str());
  return table.error().cls() == ErrorClass::kInvalid ? kBadArguments : kFailed;
}

void add_warm_command(base::CommandLine& line) {
  const auto options = std::make_shared<WarmOptions>();
  auto& command = line.command("warm", "make the items that a SELECT finds, all or none");
  command
      .option("--from-mysql", &options->select,
              "the SELECT, run in the flusher's database: \"SELECT sku AS item, qty AS stock FROM "
              "products\"")
      .required()
      .type_name("SQL");
  add_sale_options(command, *options,
                   "the flusher.toml that says where MySQL is; a proxy.toml to take listen.address "
                   "from; repeatable");
  command.footer(kTableFooter);
  command.does([options] { return warm(*options); });
}

}  // namespace

int sale_command(std::span<const std::string> args) {
  base::CommandLine line("A sale from its items to its report.", "sluice-ctl sale");
  add_create_command(line);
  add_import_command(line);
  add_warm_command(line);
  add_check_command(line);
  add_report_command(line);
  return line.run(args);
}

}  // namespace sluice::ctl
