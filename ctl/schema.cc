// `sluice-ctl schema print | apply`: the tables that the flusher drains into.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <fstream>
#include <iostream>

#include "ctl/commands.h"
#include "sql/connection.h"
#include "sql/schema.h"

#define TOML_EXCEPTIONS 0
#define TOML_ENABLE_FORMATTERS 0
#include <toml++/toml.h>

namespace sluice::ctl {
namespace {

constexpr int kExitFailed = 1;
constexpr int kExitInvalid = 2;

struct Target {
  sql::ConnectOptions mysql;
  std::string orders_table = "orders";
};

Error invalid(const std::string& message) { return Error(ErrorClass::kInvalid, message); }

Result<std::string> first_line(const std::string& path) {
  std::ifstream file(path);
  if (!file) return invalid(path + " cannot be read");
  std::string line;
  std::getline(file, line);
  return line;
}

// The keys of a flusher.toml that say where the tables are; sluice-flusher --check says whether the
// rest of the file is right.
Status read_config(const std::string& path, Target& target, std::string& password_file) {
  const toml::parse_result file = toml::parse_file(path);
  if (!file) {
    return invalid(path + ":" + std::to_string(file.error().source().begin.line) + ": " +
                   std::string(file.error().description()));
  }
  const auto mysql = file["mysql"];
  target.mysql.host = mysql["host"].value_or(target.mysql.host);
  target.mysql.port = mysql["port"].value_or(target.mysql.port);
  target.mysql.unix_socket = mysql["unix_socket"].value_or(std::string());
  target.mysql.user = mysql["user"].value_or(target.mysql.user);
  target.mysql.database = mysql["database"].value_or(target.mysql.database);
  target.mysql.tls = mysql["tls"].value_or(std::string("off")) == "on";
  target.mysql.tls_ca_file = mysql["tls_ca_file"].value_or(std::string());
  password_file = mysql["password_file"].value_or(std::string());
  target.orders_table = file["orders"]["table"].value_or(target.orders_table);
  return {};
}

// Flags count over the file, whatever their order: the file is read first.
Result<Target> parse_target(std::span<const std::string> args) {
  Target target;
  target.mysql.user = "sluice";
  target.mysql.database = "sluice";
  std::string config;
  std::string password_file;
  for (int round = 0; round < 2; ++round) {
    CLI::App app("Creates the database and the missing tables.", "sluice-ctl schema apply");
    app.add_option("--config", config, "flusher.toml to take the following from");
    app.add_option("--host", target.mysql.host, "name or address of the server");
    app.add_option("--port", target.mysql.port, "its TCP port");
    app.add_option("--socket", target.mysql.unix_socket,
                   "its unix socket, instead of host and port");
    app.add_option("--user", target.mysql.user, "user to log in as");
    app.add_option("--password-file", password_file, "file whose first line is the password");
    app.add_option("--database", target.mysql.database, "database to create the tables in");
    try {
      std::vector<std::string> reversed(args.rbegin(), args.rend());
      app.parse(reversed);
    } catch (const CLI::ParseError& failure) {
      app.exit(failure, std::cout, std::cerr);
      if (failure.get_exit_code() == 0) return Error(ErrorClass::kExists, "");
      return invalid("see `sluice-ctl schema apply --help`");
    }
    if (round == 0 && !config.empty()) SLUICE_TRY(read_config(config, target, password_file));
  }
  for (const std::string& name : {target.mysql.database, target.orders_table}) {
    if (!sql::is_identifier(name)) {
      return invalid("\"" + name + "\" is not a name of 1 to 64 letters, digits, _ or $");
    }
  }
  if (!password_file.empty()) {
    auto password = first_line(password_file);
    if (!password) return password.error();
    target.mysql.password = std::move(*password);
  }
  return target;
}

int apply(std::span<const std::string> args) {
  const auto target = parse_target(args);
  if (!target) {
    if (target.error().cls() == ErrorClass::kExists) return 0;  // --help
    std::fprintf(stderr, "schema apply: %s\n", target.error().message().c_str());
    return kExitInvalid;
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
    return kExitFailed;
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
  return kExitInvalid;
}

}  // namespace sluice::ctl
