// `sluice-ctl schema print | apply | check`: the tables that the flusher drains into.
#include <array>
#include <boost/json.hpp>
#include <cstdio>
#include <string>
#include <vector>

#include "base/command_line.h"
#include "ctl/commands.h"
#include "ctl/config_file.h"
#include "orders/config.h"
#include "orders/schema.h"
#include "sql/config.h"
#include "sql/schema.h"

namespace sluice::ctl {
namespace {

struct Target {
  sql::ConnectOptions mysql;
  orders::OrderTable orders;
  bool json = false;
};

using base::invalid;

// A flag is another name of a key of flusher.toml, and counts over the file.
struct Flag {
  const char* name;
  const char* key;
  const char* text;
};
constexpr std::array kFlags{
    Flag{"--host", "mysql.host", "name or address of the server"},
    Flag{"--port", "mysql.port", "its TCP port"},
    Flag{"--socket", "mysql.unix_socket", "its unix socket, instead of host and port"},
    Flag{"--user", "mysql.user", "user to log in as"},
    Flag{"--password-file", "mysql.password_file", "file whose first line is the password"},
    Flag{"--database", "mysql.database", "database to create the tables in"},
};

// kExists: --help was shown.
Result<Target> parse_target(const std::string& verb, const std::string& what,
                            std::span<const std::string> args) {
  base::CommandLine line(what, "sluice-ctl schema " + verb);
  std::string path;
  std::vector<std::string> sets;
  std::array<std::string, kFlags.size()> values;
  line.option("--config", &path, "flusher.toml to take the following from");
  line.option("--set", &sets, "override one key; may be repeated")
      .type_name("KEY=VALUE")
      .one_value_each();
  for (size_t i = 0; i < kFlags.size(); ++i) {
    line.option(kFlags[i].name, &values[i], kFlags[i].text);
  }
  bool as_json = false;
  if (verb == "check") line.flag("--json", &as_json, "print one JSON object");
  if (const auto end = line.parse(args)) {
    if (*end == kDone) return Error(ErrorClass::kExists, "");
    return invalid("see `sluice-ctl schema " + verb + " --help`");
  }
  auto overrides = base::parse_overrides(sets);
  if (!overrides) return invalid(overrides.error().message() + ": write KEY=VALUE");
  for (size_t i = 0; i < kFlags.size(); ++i) {
    if (line.given(kFlags[i].name)) overrides->emplace_back(kFlags[i].key, values[i]);
  }
  const auto config = read_config(flusher_keys(), path, *overrides);
  if (!config) return config.error();
  auto mysql = sql::connect_options(*config);
  if (!mysql) return mysql.error();
  auto orders = orders::order_table(*config);
  if (!orders) return path.empty() ? orders.error() : orders.error().at(path);
  return Target{std::move(*mysql), std::move(*orders), as_json};
}

int print(const Target& target) {
  const std::string text = orders::schema_text(target.orders);
  std::fwrite(text.data(), 1, text.size(), stdout);
  return 0;
}

int apply(const Target& target) {
  sql::Connection connection;
  auto failure = connection.connect(target.mysql);
  if (failure && failure->code == 1049) {  // no such database
    failure = sql::create_database(target.mysql);
    if (!failure) failure = connection.connect(target.mysql);
  }
  if (!failure) failure = orders::apply_schema(connection, target.orders);
  if (failure) {
    std::fprintf(stderr, "schema apply: %s\n", failure->text().c_str());
    return kFailed;
  }
  std::printf("tables are in place: %s\n", target.mysql.text().c_str());
  return 0;
}

void print_json(const orders::SchemaReport& report, const std::vector<std::string>& tables) {
  const auto list = [](const std::vector<std::string>& lines) {
    return boost::json::array(lines.begin(), lines.end());
  };
  const boost::json::object object{{"tables", list(tables)},
                                   {"errors", list(report.errors)},
                                   {"warnings", list(report.warnings)}};
  std::printf("%s\n", boost::json::serialize(object).c_str());
}

int check(const Target& target) {
  sql::Connection connection;
  orders::SchemaReport report;
  std::vector<std::string> tables;
  auto failure = connection.connect(target.mysql);
  if (!failure) failure = orders::find_tables(connection, target.orders, tables);
  if (!failure) failure = orders::check_tables(connection, target.orders, report);
  if (failure) {
    std::fprintf(stderr, "schema check: %s\n", failure->text().c_str());
    return kFailed;
  }
  if (tables.empty() && target.orders.is_one_table())
    report.errors.push_back(target.orders.table_of({}) + " is missing: sluice-ctl schema apply");
  if (target.json) {
    print_json(report, tables);
    return report.errors.empty() ? 0 : kFailed;
  }
  for (const std::string& error : report.errors) std::printf("error: %s\n", error.c_str());
  for (const std::string& warning : report.warnings) std::printf("warning: %s\n", warning.c_str());
  std::printf("%zu tables, %zu errors, %zu warnings: %s\n", tables.size(), report.errors.size(),
              report.warnings.size(), target.mysql.text().c_str());
  return report.errors.empty() ? 0 : kFailed;
}

struct SchemaVerb {
  const char* name;
  const char* text;
  int (*run)(const Target&);
};
constexpr std::array kVerbs{
    SchemaVerb{"print", "Writes the statements that make the tables, as orders.* maps them.",
               print},
    SchemaVerb{"apply", "Creates the database and the missing tables.", apply},
    SchemaVerb{"check", "Says whether the orders table that is there takes what Sluice writes.",
               check},
};

int run_verb(const SchemaVerb& verb, std::span<const std::string> args) {
  const auto target = parse_target(verb.name, verb.text, args);
  if (target) return verb.run(*target);
  if (target.error().cls() == ErrorClass::kExists) return 0;  // --help
  std::fprintf(stderr, "schema %s: %s\n", verb.name, target.error().message().c_str());
  return kBadArguments;
}

}  // namespace

int schema_command(std::span<const std::string> args) {
  base::CommandLine line("The tables that the flusher drains into.", "sluice-ctl schema");
  for (const SchemaVerb& verb : kVerbs) {
    line.forwarding_command(verb.name, verb.text,
                            [&verb](auto words) { return run_verb(verb, words); });
  }
  return line.run(args);
}

}  // namespace sluice::ctl
