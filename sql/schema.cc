#include "sql/schema.h"

#include <algorithm>
#include <utility>

#include "sql/schema_sql.h"  // generated: kSchemaSql

namespace sluice::sql {
namespace {

// schema.sql is written so that this is enough: comments are whole lines, and no literal holds a
// semicolon (a test runs every statement).
std::string without_comments(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size() - 1) + 1;
    if (!text.starts_with("--")) out += text.substr(0, end);
    text.remove_prefix(end);
  }
  return out;
}

}  // namespace

std::string_view schema_text() { return kSchemaSql; }

std::vector<std::string> schema_statements() {
  const std::string text = without_comments(kSchemaSql);
  std::vector<std::string> statements;
  size_t begin = 0;
  for (size_t end; (end = text.find(';', begin)) != std::string::npos; begin = end + 1) {
    begin = text.find_first_not_of(" \n", begin);
    statements.emplace_back(text, begin, end - begin);
  }
  return statements;
}

std::optional<Failure> create_database(ConnectOptions options) {
  const std::string name = std::exchange(options.database, "");
  Connection connection;
  if (auto failure = connection.connect(options)) return failure;
  return connection.exec("CREATE DATABASE IF NOT EXISTS " + in_backticks(name) +
                         " CHARACTER SET utf8mb4");
}

}  // namespace sluice::sql
