// `sluice-ctl schema print | apply`: the tables that the flusher drains into.
#include <array>
#include <cstdio>
#include <string>

#include "base/command_line.h"
#include "ctl/commands.h"
#include "ctl/config_file.h"
#include "sql/config.h"
#include "sql/schema.h"

namespace sluice::ctl {
namespace {

struct Target {
  sql::ConnectOptions mysql;
  std::string orders_table;
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

Result<Target> parse_target(std::span<const std::string> args) {
  base::CommandLine line("Creates the database and the missing tables.", "sluice-ctl schema apply");
  std::string path;
  std::array<std::string, kFlags.size()> values;
  line.option("--config", &path, "flusher.toml to take the following from");
  for (size_t i = 0; i < kFlags.size(); ++i) {
    line.option(kFlags[i].name, &values[i], kFlags[i].text);
  }
  if (const auto end = line.parse(args)) {
    if (*end == kDone) return Error(ErrorClass::kExists, "");
    return invalid("see `sluice-ctl schema apply --help`");
  }
  base::Config::Overrides overrides;
  for (size_t i = 0; i < kFlags.size(); ++i) {
    if (line.given(kFlags[i].name)) overrides.emplace_back(kFlags[i].key, values[i]);
  }
  const auto config = read_config(flusher_keys(), path, overrides);
  if (!config) return config.error();
  auto mysql = sql::connect_options(*config);
  if (!mysql) return mysql.error();
  const auto table = orders_table(*config);
  if (!table) return table.error();
  return Target{std::move(*mysql), table->name()};
}

int apply(std::span<const std::string> args) {
  const auto target = parse_target(args);
  if (!target) {
    if (target.error().cls() == ErrorClass::kExists) return 0;  // --help
    std::fprintf(stderr, "schema apply: %s\n", target.error().message().c_str());
    return kBadArguments;
  }
  sql::Connection connection;
  auto failure = connection.connect(target->mysql);
  if (failure && failure->code == 1049) {  // no such database
    failure = sql::create_database(target->mysql);
    if (!failure) failure = connection.connect(target->mysql);
  }
  if (!failure) failure = sql::apply_schema(connection, target->orders_table);
  if (failure) {
    std::fprintf(stderr, "schema apply: %s\n", failure->text().c_str());
    return kFailed;
  }
  std::printf("tables are in place: %s\n", target->mysql.text().c_str());
  return 0;
}

}  // namespace

int schema_command(std::span<const std::string> args) {
  if (args.size() == 1 && args[0] == "print") {
    std::fwrite(sql::schema_text().data(), 1, sql::schema_text().size(), stdout);
    return 0;
  }
  if (!args.empty() && args[0] == "apply") return apply(args.subspan(1));
  std::fprintf(stderr,
               "usage: sluice-ctl schema print\n"
               "       sluice-ctl schema apply [--config FILE] [--host H] [--port N]"
               " [--socket PATH] [--user U] [--password-file FILE] [--database D]\n");
  return kBadArguments;
}

}  // namespace sluice::ctl
