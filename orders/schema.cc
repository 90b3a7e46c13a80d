#include "orders/schema.h"

#include <algorithm>
#include <map>
#include <set>

#include "sql/schema.h"

namespace sluice::orders {
namespace {

using sql::Connection;
using sql::Failure;

constexpr size_t kNameBytesMax = 64;
constexpr size_t kTablesChecked = 16;

struct LiveColumn {
  std::string type;       // "varchar"
  std::string full_type;  // "varchar(64)"
  bool may_be_null = false, has_default = false, is_generated = false, is_automatic = false;
  size_t characters = 0;  // 0: it holds none
  std::string charset;
  int digits = 0;  // of a time's fraction
};

bool is_one_of(const std::string& type, std::initializer_list<std::string_view> types) {
  return std::find(types.begin(), types.end(), type) != types.end();
}
bool is_number(const LiveColumn& column) {
  return is_one_of(column.type, {"tinyint", "smallint", "mediumint", "int", "bigint"});
}
bool is_text(const LiveColumn& column) {
  return is_one_of(column.type,
                   {"char", "varchar", "tinytext", "text", "mediumtext", "longtext", "binary",
                    "varbinary", "tinyblob", "blob", "mediumblob", "longblob", "json"});
}

std::string lowered(std::string text) {
  for (char& c : text) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  return text;
}

// One table's columns and indexes, and the judging of them.
class TableCheck {
 public:
  TableCheck(const OrderTable& orders, std::string table, SchemaReport& report)
      : orders_(orders), table_(std::move(table)), report_(report) {}

  std::optional<Failure> read(Connection& connection) {
    const std::string& database = orders_.mapping().table.database();
    std::string of_table = " WHERE TABLE_SCHEMA = ";
    if (database.empty()) {
      of_table += "DATABASE()";
    } else {
      sql::append_quoted(of_table, database);
    }
    of_table += " AND TABLE_NAME = ";
    sql::append_quoted(of_table, table_);
    std::vector<sql::Row> rows;
    if (auto failure = connection.query(
            "SELECT COLUMN_NAME, DATA_TYPE, COLUMN_TYPE, IS_NULLABLE = 'YES', COLUMN_DEFAULT IS NOT"
            " NULL, EXTRA, CHARACTER_MAXIMUM_LENGTH, CHARACTER_SET_NAME, DATETIME_PRECISION,"
            " COALESCE(GENERATION_EXPRESSION, '') <> '' FROM information_schema.COLUMNS" +
                of_table,
            rows)) {
      return failure;
    }
    for (const sql::Row& row : rows) take_column(row);
    if (auto failure =
            connection.query("SELECT INDEX_NAME, COLUMN_NAME FROM information_schema.STATISTICS" +
                                 of_table + " AND NON_UNIQUE = 0",
                             rows)) {
      return failure;
    }
    for (const sql::Row& row : rows) unique_[*row[0]].insert(lowered(row[1].value_or("")));
    return std::nullopt;
  }

  void judge() {
    for (size_t i = 0; i < kOwnColumnNames.size(); ++i) {
      const auto own = static_cast<OwnColumn>(i);
      if (!orders_.mapping().has(own)) continue;
      written_.insert(lowered(orders_.mapping().name(own)));
      if (const LiveColumn* column = find(orders_.mapping().name(own))) judge_own(own, *column);
    }
    for (const auto& [field, name] : orders_.mapping().config.columns) {
      written_.insert(lowered(name));
      if (const LiveColumn* column = find(name)) judge_field(field, name, *column);
    }
    for (const auto& [name, value] : orders_.mapping().config.constants) {
      written_.insert(lowered(name));
      if (const LiveColumn* column = find(name)) judge_constant(name, *column);
    }
    judge_others();
    judge_keys();
  }

 private:
  void take_column(const sql::Row& row) {
    LiveColumn& column = columns_[lowered(*row[0])];
    column.type = lowered(row[1].value_or(""));
    column.full_type = lowered(row[2].value_or(""));
    column.may_be_null = row[3] == "1";
    column.has_default = row[4] == "1";
    const std::string extra = lowered(row[5].value_or(""));
    column.is_automatic = extra.find("auto_increment") != extra.npos;
    column.is_generated = row[9] == "1";
    column.characters = row[6] ? std::stoull(*row[6]) : 0;
    column.charset = row[7].value_or("");
    column.digits = row[8] ? std::stoi(*row[8]) : 0;
  }

  std::string place(const std::string& name) const { return table_ + "." + name; }
  std::string described(const std::string& name, const LiveColumn& column) const {
    return place(name) + " (" + column.full_type + ")";
  }
  void error(std::string text) { report_.errors.push_back(std::move(text)); }
  void warn(std::string text) { report_.warnings.push_back(std::move(text)); }

  // A column that is to be written.
  const LiveColumn* find(const std::string& name) {
    const auto found = columns_.find(lowered(name));
    if (found == columns_.end()) {
      error(place(name) +
            " is missing: add it, or name another one in orders.names, "
            "orders.columns or orders.constants");
      return nullptr;
    }
    if (!found->second.is_generated) return &found->second;
    error(described(name, found->second) + " is generated and cannot be written: leave it out");
    return nullptr;
  }

  void judge_own(OwnColumn own, const LiveColumn& column) {
    const std::string what = described(orders_.mapping().name(own), column);
    switch (own) {
      case OwnColumn::kOrderId:
        if (column.type != "bigint") error(what + ": an order's id needs a BIGINT UNSIGNED");
        break;
      case OwnColumn::kItemId:
        report_.item_is_number |= judge_name(what, column, "items");
        break;
      case OwnColumn::kUserId:
        report_.user_is_number |= judge_name(what, column, "users");
        break;
      case OwnColumn::kQuantity:
        if (!is_number(column) && column.type != "decimal") error(what + " holds no whole numbers");
        break;
      case OwnColumn::kStatus:
        judge_status(what, column);
        break;
      case OwnColumn::kRequestId:
        if (!is_text(column)) error(what + " holds no text; a REQ is 1 to 64 characters");
        if (!column.may_be_null)
          warn(what + " is NOT NULL: purchases without a REQ become dead letters");
        judge_length(what, column, "REQs");
        break;
      case OwnColumn::kCreatedAt:
      case OwnColumn::kUpdatedAt:
        if (!is_one_of(column.type, {"datetime", "timestamp"})) {
          error(what + " holds no DATETIME");
        } else if (column.digits < 3) {
          warn(what + " keeps no milliseconds: DATETIME(3) does");
        }
        break;
      case OwnColumn::kFields:
        if (!is_text(column)) error(what + " holds no JSON");
        if (!column.may_be_null) error(what + " is NOT NULL: a purchase need not have FIELDS");
        break;
    }
  }

  // Whether it holds numbers.
  bool judge_name(const std::string& what, const LiveColumn& column, const std::string& names) {
    if (is_number(column)) {
      warn(what + " holds numbers: " + names + " of any other name become dead letters");
      return true;
    }
    if (!is_text(column)) error(what + " holds neither text nor whole numbers");
    judge_length(what, column, names);
    return false;
  }

  void judge_length(const std::string& what, const LiveColumn& column, const std::string& names) {
    if (column.characters == 0 || column.characters >= kNameBytesMax) return;
    warn(what + ": longer " + names + ", of up to 64 characters, become dead letters");
  }

  void judge_status(const std::string& what, const LiveColumn& column) {
    for (const OrderStatus status : kOrderStatuses) {
      const std::string& word = orders_.mapping().word(status);
      const std::string key = "orders.statuses." + std::string(word_of(status));
      const bool is_digits = word.find_first_not_of("0123456789") == word.npos;
      if (column.type == "enum" &&
          column.full_type.find("'" + lowered(word) + "'") == std::string::npos) {
        error(what + " does not know \"" + word + "\": add it, or name another word in " + key);
      } else if (is_number(column) && !is_digits) {
        error(what + " holds numbers: give one in " + key);
      } else if (column.characters != 0 && column.characters < word.size()) {
        error(what + " is too short for \"" + word + "\": " + key);
      }
    }
  }

  void judge_field(const std::string& field, const std::string& name, const LiveColumn& column) {
    const std::string what = described(name, column);
    if (!column.may_be_null)
      warn(what + " is NOT NULL: purchases without the field " + field + " become dead letters");
    if (!column.charset.empty() && column.charset != "utf8mb4")
      warn(what + " is of " + column.charset +
           ": text that it does not know becomes a dead letter");
  }

  void judge_constant(const std::string& name, const LiveColumn& column) {
    const auto& when_over = orders_.mapping().config.when_over;
    const auto over = when_over.find(name);
    if (over != when_over.end() && over->second.empty() && !column.may_be_null)
      error(described(name, column) + " is NOT NULL, and orders.when_over makes it NULL");
  }

  // What is not written must do without.
  void judge_others() {
    for (const auto& [name, column] : columns_) {
      const bool is_filled = column.may_be_null || column.has_default || column.is_generated ||
                             column.is_automatic || column.type == "timestamp";
      if (is_filled || written_.contains(name)) continue;
      error(described(name, column) +
            " is NOT NULL without a default: give it one, or a value in "
            "orders.constants." +
            name);
    }
  }

  // One row an order; and no key that a buyer's next order runs into.
  void judge_keys() {
    std::set<std::string> fixed;  // what never changes of an order
    for (const OwnColumn own : {OwnColumn::kOrderId, OwnColumn::kItemId, OwnColumn::kUserId,
                                OwnColumn::kQuantity, OwnColumn::kCreatedAt}) {
      fixed.insert(lowered(orders_.mapping().name(own)));
    }
    const std::string id = orders_.mapping().name(OwnColumn::kOrderId);
    bool is_unique = false;
    for (const auto& [index, columns] : unique_) {
      if (columns.contains(lowered(id))) {
        is_unique |= std::includes(fixed.begin(), fixed.end(), columns.begin(), columns.end());
      } else if (is_run_into(columns)) {
        warn(table_ + ": the unique key " + index +
             " keeps a buyer who has cancelled from buying again: add a column to it that "
             "orders.when_over sets to NULL");
      }
    }
    if (is_unique) return;
    error(table_ + ": no unique key is " + id + " alone: ALTER TABLE " + orders_.quoted(table_) +
          " ADD UNIQUE KEY (" + sql::in_backticks(id) + ")");
  }

  // All of it the same for two orders of one buyer.
  bool is_run_into(const std::set<std::string>& columns) const {
    const auto& mapping = orders_.mapping();
    return std::all_of(columns.begin(), columns.end(), [&](const std::string& name) {
      const bool is_freed = std::any_of(
          mapping.config.when_over.begin(), mapping.config.when_over.end(),
          [&](const auto& each) { return lowered(each.first) == name && each.second.empty(); });
      const bool is_constant =
          std::any_of(mapping.config.constants.begin(), mapping.config.constants.end(),
                      [&](const auto& each) { return lowered(each.first) == name; });
      return !is_freed && (is_constant || name == lowered(mapping.name(OwnColumn::kItemId)) ||
                           name == lowered(mapping.name(OwnColumn::kUserId)));
    });
  }

  const OrderTable& orders_;
  const std::string table_;
  SchemaReport& report_;
  std::map<std::string, LiveColumn> columns_;            // by name in lower case
  std::map<std::string, std::set<std::string>> unique_;  // index: columns in lower case
  std::set<std::string> written_;
};

}  // namespace

std::vector<std::string> schema_statements(const OrderTable& orders, bool with_field_columns) {
  std::vector<std::string> statements;
  for (const std::string& statement : sql::schema_statements()) {
    if (statement.find(sql::kOrdersName) == statement.npos) {
      statements.push_back(statement);
    } else if (orders.mapping().is_plain(with_field_columns)) {
      std::string& made = statements.emplace_back(statement);
      made.replace(made.find(sql::kOrdersName), sql::kOrdersName.size(), orders.table_of({}));
    } else if (orders.is_one_table()) {
      statements.push_back(orders.create_statement(orders.table_of({}), with_field_columns));
    }
  }
  const OrderTable* details = orders.details();
  if (details != nullptr && details->is_one_table())
    statements.push_back(details->create_statement(details->table_of({}), with_field_columns));
  return statements;
}

std::optional<Failure> apply_schema(Connection& connection, const OrderTable& orders) {
  for (const std::string& statement : schema_statements(orders, false)) {
    if (auto failure = connection.exec(statement)) return failure;
  }
  return std::nullopt;
}

std::optional<Failure> make_tables(Connection& connection, const OrderTable& orders,
                                   std::span<const journal::Record> records) {
  std::set<std::string> tables;
  for (const journal::Record& record : records) {
    if (record.type == journal::RecordType::kBuy) tables.insert(orders.table_of(record));
  }
  if (orders.is_one_table()) tables.clear();
  for (const std::string& table : tables) {
    if (auto failure = connection.exec(orders.create_statement(table))) return failure;
  }
  const OrderTable* details = orders.details();
  return details == nullptr ? std::nullopt : make_tables(connection, *details, records);
}

std::string schema_text(const OrderTable& orders) {
  if (orders.mapping().is_plain(true) && orders.table_of({}) == sql::kOrdersName &&
      orders.details() == nullptr)
    return std::string(sql::schema_text());
  std::string text =
      "-- Sluice's tables as orders.* maps them. What each is for: conf/schema.sql.\n\n";
  if (!orders.is_one_table()) {
    text += "-- Each is made when its first order comes, if mysql.create_schema is true:\n";
    text += orders.create_statement(orders.quoted(orders.mapping().config.table)) + ";\n\n";
  }
  for (const std::string& statement : schema_statements(orders, true)) text += statement + ";\n\n";
  text.pop_back();
  return text;
}

std::optional<Failure> check_table(Connection& connection, const OrderTable& orders,
                                   const std::string& table, SchemaReport& report) {
  TableCheck check(orders, table, report);
  auto failure = check.read(connection);
  connection.rollback();
  if (!failure) check.judge();
  return failure;
}

std::optional<Failure> find_tables(Connection& connection, const OrderTable& orders,
                                   std::vector<std::string>& tables) {
  std::vector<sql::Row> rows;
  tables.clear();
  if (auto failure = connection.query(orders.find_tables(), rows)) return failure;
  for (const sql::Row& row : rows) tables.push_back(row[0].value_or(""));
  return std::nullopt;
}

std::optional<Failure> check_tables(Connection& connection, const OrderTable& orders,
                                    SchemaReport& report) {
  std::vector<std::string> tables;
  if (auto failure = find_tables(connection, orders, tables)) return failure;
  connection.rollback();
  const size_t skipped = tables.size() - std::min(tables.size(), kTablesChecked);
  for (const std::string& table : std::span(tables).subspan(skipped)) {
    if (auto failure = check_table(connection, orders, table, report)) return failure;
  }
  const OrderTable* details = orders.details();
  if (details == nullptr) return std::nullopt;
  if (auto failure = find_tables(connection, *details, tables)) return failure;
  connection.rollback();
  if (tables.empty() && details->is_one_table())
    report.errors.push_back(details->table_of({}) + " is missing: sluice-ctl schema apply");
  SchemaReport of_details;  // what it makes of names is its own business
  for (const std::string& table : tables) {
    if (auto failure = check_table(connection, *details, table, of_details)) return failure;
  }
  for (auto [from, to] : {std::pair{&of_details.errors, &report.errors},
                          std::pair{&of_details.warnings, &report.warnings}}) {
    to->insert(to->end(), from->begin(), from->end());
  }
  return std::nullopt;
}

std::optional<Failure> learn(Connection& connection, OrderTable& orders, SchemaReport& report) {
  auto failure = check_tables(connection, orders, report);
  if (!failure) orders.know(report.item_is_number, report.user_is_number);
  return failure;
}

}  // namespace sluice::orders
