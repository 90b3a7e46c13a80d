#include "ctl/config_file.h"

#include <algorithm>
#include <fstream>
#include <optional>

#include "base/toml.h"

#include "base/units.h"
#include "orders/config.h"
#include "sql/config.h"

namespace sluice::ctl {
namespace {

using base::ConfigKey;
using base::ConfigType;

using base::invalid;

Result<toml::table> parse(const std::string& path) {
  std::ifstream readable(path);
  if (!readable) return invalid(path + ": cannot be read");
  toml::parse_result file = toml::parse_file(path);
  if (file) return std::move(file).table();
  return invalid(path + ":" + std::to_string(file.error().source().begin.line) + ": " +
                 std::string(file.error().description()));
}

// A part of a list or map in the text form of base::Config: commas inside are escaped.
void append_part(std::string& text, std::string_view part) {
  if (!text.empty()) text += ',';
  for (const char c : part) {
    if (c == ',' || c == '\\') text += '\\';
    text += c;
  }
}

std::optional<std::string> list_text(const toml::array& list) {
  std::string text;
  for (const toml::node& part : list) {
    if (!part.is_string()) return std::nullopt;
    append_part(text, part.as_string()->get());
  }
  return text;
}

std::optional<std::string> map_text(const toml::table& map) {
  std::string text;
  for (const auto& [name, part] : map) {
    if (!part.is_string() && !part.is_integer()) return std::nullopt;
    append_part(text, std::string(name.str()) + "=" +
                          (part.is_integer() ? std::to_string(part.as_integer()->get())
                                             : part.as_string()->get()));
  }
  return text;
}

// A value in the text form that Config::set_text() reads; nullopt: of another type.
std::optional<std::string> text_of(const toml::node& node, ConfigType type) {
  const bool fits = type == ConfigType::kBool      ? node.is_boolean()
                    : type == ConfigType::kInteger ? node.is_integer()
                    : type == ConfigType::kList    ? node.is_array()
                    : type == ConfigType::kMap     ? node.is_table()
                                                   : node.is_string();
  if (!fits) return std::nullopt;
  if (const auto* flag = node.as_boolean()) return flag->get() ? "true" : "false";
  if (const auto* number = node.as_integer()) return std::to_string(number->get());
  if (const auto* list = node.as_array()) return list_text(*list);
  if (const auto* map = node.as_table()) return map_text(*map);
  return node.as_string()->get();
}

ConfigKey key_of(ConfigType type, std::string_view name, std::string_view default_text) {
  return {name, type, default_text, 0, INT64_MAX, {}, false, {}};
}
ConfigKey string_key(std::string_view name, std::string_view default_text) {
  return key_of(ConfigType::kString, name, default_text);
}

}  // namespace

Result<ConfigKind> config_kind(const std::string& path) {
  const auto file = parse(path);
  if (!file) return file.error();
  const auto has_one_of = [&](std::initializer_list<const char*> tables) {
    return std::any_of(tables.begin(), tables.end(),
                       [&](const char* table) { return file->contains(table); });
  };
  const bool flusher = has_one_of({"mysql", "orders", "batch", "trigger", "pace"});
  // One that says nothing but where the journal is, is a proxy's: a flusher has MySQL's address.
  const bool proxy = has_one_of({"redis", "proxy", "listen", "sale", "auth", "flusher"}) ||
                     (!flusher && file->contains("journal"));
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
  const auto file = path.empty() ? Result<toml::table>(toml::table()) : parse(path);
  if (!file) return file.error();
  base::Config config(keys);
  for (const ConfigKey& key : keys) {
    const toml::node_view<const toml::node> node = file->at_path(key.name);
    if (!node) continue;
    const std::string where = path + ":" + std::to_string(node.node()->source().begin.line) + ": " +
                              std::string(key.name);
    const auto text = text_of(*node.node(), key.type);
    if (!text) return invalid(where + ": is of the wrong type");
    if (Status stored = config.set_text(key.name, *text); !stored) return stored.error().at(where);
  }
  for (const auto& [name, text] : overrides) {
    if (config.find(name) == nullptr) continue;
    if (Status stored = config.set_text(name, text); !stored) {
      return stored.error().at("--set " + name);
    }
  }
  return config;
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

Result<std::string> read_password(const std::string& path) {
  std::ifstream file(path);
  std::string line;
  if (!file || !std::getline(file, line)) {
    return invalid(path + " cannot be read; it must hold the password in its first line");
  }
  while (!line.empty() && (line.back() == '\r' || line.back() == ' ')) line.pop_back();
  return line;
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
  if (const std::string& path = config.string("redis.password_file"); !path.empty()) {
    auto password = read_password(path);
    if (!password) return password.error().at("redis.password_file");
    target->password = std::move(*password);
  }
  return target;
}

}  // namespace sluice::ctl
