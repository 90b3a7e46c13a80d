#include "sql/connect_options.h"

#include <algorithm>
#include <fstream>
#include <utility>

#include "base/secret.h"
#include "base/units.h"

namespace sluice::sql {
namespace {

Error no_address(std::string_view text) {
  return base::invalid("\"" + std::string(text) +
                       "\" is no server; write \"host\", \"host:port\" (port 1 to 65535), "
                       "\"[v6 address]:port\" or the path of a unix socket");
}

}  // namespace

std::string ServerAddress::text() const {
  if (is_local()) return unix_socket;
  const bool is_v6 = host.find(':') != std::string::npos;
  return (is_v6 ? "[" + host + "]" : host) + ":" + std::to_string(port);
}

Result<ServerAddress> parse_server_address(std::string_view text, uint16_t default_port) {
  ServerAddress server;
  server.port = default_port;
  if (text.starts_with('/')) {
    server.unix_socket = text;
    return server;
  }
  const bool is_bracketed = text.starts_with('[');
  const size_t host_end = is_bracketed ? text.find(']') : text.find(':');
  if (is_bracketed && host_end == std::string_view::npos) return no_address(text);
  const size_t begin = is_bracketed ? 1 : 0;
  server.host = text.substr(begin, std::min(host_end, text.size()) - begin);
  std::string_view rest = host_end == std::string_view::npos ? "" : text.substr(host_end + begin);
  const bool has_blank = server.host.find_first_of(" \t/") != std::string::npos;
  if (server.host.empty() || has_blank) return no_address(text);
  if (rest.empty()) return server;
  const bool has_port =
      rest.starts_with(':') && rest.size() > 1 && rest[1] >= '0' && rest[1] <= '9';
  if (!has_port) return no_address(text);
  const auto port = base::parse_integer(rest.substr(1));
  if (!port || *port < 1 || *port > 65535) return no_address(text);
  server.port = static_cast<uint16_t>(*port);
  return server;
}

std::vector<ServerAddress> ConnectOptions::servers() const {
  if (hosts.empty()) return {{host, port, unix_socket}};
  return hosts;
}

std::string ConnectOptions::text(const ServerAddress& server) const {
  return user + "@" + server.text() + (database.empty() ? "" : "/" + database);
}

std::string ConnectOptions::text() const {
  std::string where;
  for (const ServerAddress& server : servers()) where += (where.empty() ? "" : ",") + server.text();
  return user + "@" + where + (database.empty() ? "" : "/" + database);
}

Result<std::string> password_of(const ConnectOptions& options) {
  const std::string& path = options.password_file;
  if (path.empty()) return options.password;
  return base::read_secret("mysql.password_file", path);
}

Status check_tls(const ConnectOptions& options) {
  const std::pair<const char*, const std::string&> files[] = {
      {"mysql.tls_ca_file", options.tls_ca_file},
      {"mysql.tls_cert_file", options.tls_cert_file},
      {"mysql.tls_key_file", options.tls_key_file}};
  for (const auto& [key, path] : files) {
    if (path.empty()) continue;
    if (!options.tls)
      return base::invalid(std::string(key) + ": it is given, but mysql.tls is \"off\"");
    if (!std::ifstream(path))
      return base::invalid(std::string(key) + ": " + path + " cannot be read");
  }
  if (options.tls_cert_file.empty() != options.tls_key_file.empty())
    return base::invalid("mysql.tls_cert_file and mysql.tls_key_file: give both or none");
  const auto servers = options.servers();
  const bool all_local = std::all_of(servers.begin(), servers.end(),
                                     [](const ServerAddress& server) { return server.is_local(); });
  if (options.tls && all_local)
    return base::invalid("mysql.tls: a unix socket needs none; write \"off\", or give mysql.host");
  return {};
}

}  // namespace sluice::sql
