#include "ctl/config_file.h"

#include <algorithm>

#include "base/secret.h"
#include "base/units.h"
#include "orders/config.h"
#include "sql/config.h"

namespace sluice::ctl {
namespace {

using base::ConfigKey;
using base::ConfigType;

using base::invalid;

ConfigKey key_of(ConfigType type, std::string_view name, std::string_view default_text) {
  return {name, type, default_text, 0, INT64_MAX, {}, false, {}};
}
ConfigKey string_key(std::string_view name, std::string_view default_text) {
  return key_of(ConfigType::kString, name, default_text);
}

}  // namespace

Result<ConfigKind> config_kind(const std::string& path) {
  const auto sections = base::config_sections(path);
  if (!sections) return sections.error();
  const auto has_one_of = [&](std::initializer_list<const char*> tables) {
    return std::any_of(tables.begin(), tables.end(),
                       [&](const char* table) { return sections->contains(table); });
  };
  const bool flusher = has_one_of({"mysql", "orders", "batch", "trigger", "pace"});
  // One that says nothing but where the journal is, is a proxy's: a flusher has MySQL's address.
  const bool proxy = has_one_of({"redis", "proxy", "listen", "sale", "auth", "flusher"}) ||
                     (!flusher && sections->contains("journal"));
  if (flusher == proxy) {
    return invalid(path +
                   (flusher ? ": has the tables of a proxy and of a flusher"
                            : ": has neither [redis] nor [proxy] nor [mysql]") +
                   "; give the file of a proxy or of a flusher");
  }
  return flusher ? ConfigKind::kFlusher : ConfigKind::kProxy;
}

const std::vector<ConfigKey>& proxy_keys() {
  static const std::vector<ConfigKey> keys = {
      {"proxy.id", ConfigType::kInteger, "", 0, 1023, {}, false, {}},
      {"redis.servers", ConfigType::kList, "127.0.0.1:6379", 0, INT64_MAX, {}, false, {}},
      {"redis.mode",
       ConfigType::kString,
       "standalone",
       0,
       INT64_MAX,
       {"standalone", "sentinel", "cluster"},
       false,
       {}},
      string_key("redis.username", ""),
      string_key("redis.password_file", ""),
      {"redis.tls", ConfigType::kBool, "false", 0, INT64_MAX, {}, false, {}},
      string_key("redis.tls_ca_file", ""),
      string_key("redis.tls_cert_file", ""),
      string_key("redis.tls_key_file", ""),
      string_key("journal.dir", "journal"),
      key_of(ConfigType::kSize, "journal.max_bytes", "8GiB"),
      key_of(ConfigType::kInteger, "sale.shelves", "64"),
      key_of(ConfigType::kInteger, "limits.clients", "10000"),
      key_of(ConfigType::kInteger, "limits.pinned_connections", "1000"),
      string_key("listen.address", "127.0.0.1:6479"),
      string_key("listen.unix_socket", ""),
      string_key("listen.tls_cert_file", ""),
      string_key("admin.address", "127.0.0.1:9479"),
      string_key("admin.token_file", ""),
      string_key("flusher.admin", "http://127.0.0.1:9480"),
  };
  return keys;
}

const std::vector<ConfigKey>& flusher_keys() {
  static const std::vector<ConfigKey> keys = [] {
    std::vector<ConfigKey> all = sql::connection_keys();
    all.push_back(string_key("journal.dir", "/var/lib/sluice/journal"));
    all.push_back(string_key("admin.address", "127.0.0.1:9480"));
    all.push_back(string_key("admin.token_file", ""));
    all.push_back(key_of(ConfigType::kSize, "batch.bytes", "1MiB"));
    for (const ConfigKey& key : orders::config_keys()) all.push_back(key);
    return all;
  }();
  return keys;
}

Result<base::Config> read_config(const std::vector<ConfigKey>& keys, const std::string& path,
                                 const base::Config::Overrides& overrides) {
  return base::Config::load(keys, path, overrides, base::Config::UnknownKeys::kPassOver);
}

Result<RedisTarget> parse_server(const std::string& text, const std::string& key) {
  RedisTarget target;
  if (text.starts_with('/')) {
    target.host = text;
    return target;
  }
  const size_t colon = text.rfind(':');
  const auto port = base::parse_integer(colon == std::string::npos ? "" : text.substr(colon + 1));
  if (!port || *port < 1 || *port > 65535 || colon == 0) {
    return invalid(key + ": \"" + text + "\" is not HOST:PORT, nor a socket's path");
  }
  target.host = text.substr(0, colon);
  if (target.host.size() > 2 && target.host.front() == '[' && target.host.back() == ']') {
    target.host = target.host.substr(1, target.host.size() - 2);
  }
  target.port = static_cast<uint16_t>(*port);
  return target;
}

std::string reachable_host(const std::string& listen_host) {
  if (listen_host == "0.0.0.0" || listen_host == "*") return "127.0.0.1";
  return listen_host == "::" ? "::1" : listen_host;
}

Result<RedisTarget> redis_target(const base::Config& config) {
  const auto& servers = config.list("redis.servers");
  if (servers.size() != 1 || config.string("redis.mode") != "standalone") {
    return invalid("redis.servers: one server and redis.mode = \"standalone\" are supported");
  }
  auto target = parse_server(servers[0], "redis.servers");
  if (!target) return target;
  if (config.boolean("redis.tls")) {
    if (target->port == 0) return invalid("redis.tls: a unix socket needs none");
    target->tls =
        net::TlsFiles{config.string("redis.tls_cert_file"), config.string("redis.tls_key_file"),
                      config.string("redis.tls_ca_file")};
  }
  target->username = config.string("redis.username");
  auto password = base::read_secret("redis.password_file", config.string("redis.password_file"));
  if (!password) return password.error();
  target->password = std::move(*password);
  return target;
}

}  // namespace sluice::ctl
