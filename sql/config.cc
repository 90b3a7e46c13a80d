#include "sql/config.h"

#include <algorithm>
#include <string>
#include <utility>

namespace sluice::sql {
namespace {

using base::ConfigType;

constexpr int64_t kSecondUs = 1'000'000;

}  // namespace

std::vector<base::ConfigKey> connection_keys() {
  return {
      {"mysql.host",
       ConfigType::kString,
       "127.0.0.1",
       0,
       0,
       {},
       false,
       "Name or address of the MySQL or MariaDB server."},
      {"mysql.port", ConfigType::kInteger, "3306", 1, 65535, {}, false, "Its TCP port."},
      {"mysql.hosts",
       ConfigType::kList,
       "",
       0,
       0,
       {},
       false,
       "Several servers, tried in order for one that takes writes, instead of mysql.host."},
      {"mysql.unix_socket",
       ConfigType::kString,
       "",
       0,
       0,
       {},
       false,
       "Path of its unix socket; if given, host and port are not used."},
      {"mysql.user", ConfigType::kString, "sluice", 0, 0, {}, false, "User to log in as."},
      {"mysql.password_file",
       ConfigType::kString,
       "",
       0,
       0,
       {},
       false,
       "File whose first line is the password, read at each connect; empty: no password."},
      {"mysql.allow_public_key_retrieval",
       ConfigType::kBool,
       "false",
       0,
       0,
       {},
       false,
       "true: without TLS, send the password under a key that the server shows."},
      {"mysql.database",
       ConfigType::kString,
       "sluice",
       0,
       0,
       {},
       false,
       "Database that holds the tables."},
      {"mysql.tls",
       ConfigType::kString,
       "off",
       0,
       0,
       {"off", "on"},
       false,
       "on: encrypt, and verify the server's certificate for mysql.host."},
      {"mysql.tls_ca_file",
       ConfigType::kString,
       "",
       0,
       0,
       {},
       false,
       "Certificate authority for mysql.tls; empty: the system's."},
      {"mysql.tls_cert_file",
       ConfigType::kString,
       "",
       0,
       0,
       {},
       false,
       "Certificate (PEM) to show to the server; empty: none."},
      {"mysql.tls_key_file",
       ConfigType::kString,
       "",
       0,
       0,
       {},
       false,
       "Private key of that certificate (PEM, without a passphrase)."},
      {"mysql.connect_timeout",
       ConfigType::kDuration,
       "5s",
       kSecondUs,
       60 * kSecondUs,
       {},
       false,
       "Longest wait for a connection; whole seconds."},
  };
}

namespace {

// With mysql.host and its kin, which are one server, a list says two things at once.
Result<std::vector<ServerAddress>> hosts_of(const base::Config& config) {
  std::vector<ServerAddress> servers;
  const auto& hosts = config.list("mysql.hosts");
  if (hosts.empty()) return servers;
  for (const std::string key : {"mysql.host", "mysql.unix_socket"}) {
    if (config.string(key) == config.find(key)->default_text) continue;
    return base::invalid("mysql.hosts: " + key +
                         " is given too; put it into the list, and leave it out there");
  }
  for (const std::string& text : hosts) {
    auto server = parse_server_address(text, static_cast<uint16_t>(config.integer("mysql.port")));
    if (!server) return server.error().at("mysql.hosts");
    if (std::find(servers.begin(), servers.end(), *server) != servers.end())
      return base::invalid("mysql.hosts: " + server->text() + " is in it twice");
    servers.push_back(std::move(*server));
  }
  return servers;
}

}  // namespace

Result<ConnectOptions> connect_options(const base::Config& config) {
  if (!is_identifier(config.string("mysql.database"))) {
    return Error(ErrorClass::kInvalid, "mysql.database: \"" + config.string("mysql.database") +
                                           "\" is no name: 1 to 64 characters, without ` . / \\");
  }
  ConnectOptions mysql;
  mysql.host = config.string("mysql.host");
  mysql.port = static_cast<uint16_t>(config.integer("mysql.port"));
  mysql.unix_socket = config.string("mysql.unix_socket");
  auto hosts = hosts_of(config);
  if (!hosts) return hosts.error();
  mysql.hosts = std::move(*hosts);
  mysql.user = config.string("mysql.user");
  mysql.password_file = config.string("mysql.password_file");
  mysql.allow_public_key_retrieval = config.boolean("mysql.allow_public_key_retrieval");
  mysql.database = config.string("mysql.database");
  mysql.tls = config.string("mysql.tls") == "on";
  mysql.tls_ca_file = config.string("mysql.tls_ca_file");
  mysql.tls_cert_file = config.string("mysql.tls_cert_file");
  mysql.tls_key_file = config.string("mysql.tls_key_file");
  mysql.connect_timeout_s =
      static_cast<unsigned>(config.integer("mysql.connect_timeout") / kSecondUs);
  if (const auto password = password_of(mysql); !password) return password.error();
  SLUICE_TRY(check_tls(mysql));
  return mysql;
}

}  // namespace sluice::sql
