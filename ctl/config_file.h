// The daemons' configuration files, as far as sluice-ctl needs them: the keys that say where Redis,
// the journal and MySQL are. `sluice-proxy --check` and `sluice-flusher --check` judge the rest.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/config.h"
#include "base/error.h"
#include "net/tls_context.h"
#include "orders/order_table.h"

namespace sluice::ctl {

struct RedisTarget {
  std::string host;   // or the path of a unix socket
  uint16_t port = 0;  // 0: `host` is a path
  std::string username;
  std::string password;  // empty: no login
  std::optional<net::TlsFiles> tls;  // none: in clear

  std::string text() const { return port == 0 ? host : host + ":" + std::to_string(port); }
  bool operator==(const RedisTarget&) const = default;
};

enum class ConfigKind { kProxy, kFlusher };

// By its tables: [mysql] makes it a flusher's, [redis] or [proxy] or [journal] alone a proxy's.
Result<ConfigKind> config_kind(const std::string& path);

// The keys that are read of each kind of file, with the daemons' defaults.
const std::vector<base::ConfigKey>& proxy_keys();
const std::vector<base::ConfigKey>& flusher_keys();

// Defaults, then the file (none: ""), then those of the overrides that are in `keys`. Keys of the
// file that are not in `keys` are passed over. Errors read "FILE:LINE: KEY: what is wrong".
Result<base::Config> read_config(const std::vector<base::ConfigKey>& keys, const std::string& path,
                                 const base::Config::Overrides& overrides);

// Of a config with proxy_keys(); reads the password file.
Result<RedisTarget> redis_target(const base::Config& config);

// "HOST:PORT", "[V6]:PORT", or a unix socket's path. `key`: where it comes from, for the message.
Result<RedisTarget> parse_server(const std::string& text, const std::string& key);
// Where a listener is reached from its own machine: "0.0.0.0" and "::" listen on loopback, too.
std::string reachable_host(const std::string& listen_host);

}  // namespace sluice::ctl
