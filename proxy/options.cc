#include "proxy/options.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <thread>

#include "base/units.h"
#include "http/server.h"
#include "shelves/shelf_of.h"

namespace sluice::proxy {
namespace {

using base::ConfigKey;
using base::ConfigType;

constexpr int64_t kKiB = 1024, kMiB = 1024 * kKiB, kGiB = 1024 * kMiB, kTiB = 1024 * kGiB;
constexpr int64_t kDayUs = 86'400LL * 1'000'000;
// A dozen dashboards and scrapers ask less; a flood gets this much of the processor at most.
constexpr int kAdminRequestsPerSecond = 100;

// The table itself; a vector because Config takes one.
const std::vector<ConfigKey> kKeys = {
    {"proxy.id", ConfigType::kInteger, "", 0, 1023, {}, false,
     "Number of this proxy, unique among all that share a Redis or a MySQL; if it is not given,"
     " the journal's own, and of a new journal one at random."},
    {"proxy.io_threads", ConfigType::kInteger, "0", 0, 64, {}, false,
     "I/O threads; 0: half of the cores, at least one."},
    {"listen.address", ConfigType::kString, "127.0.0.1:6479", 0, INT64_MAX, {}, false,
     "IP:PORT for clients; empty: no TCP listener."},
    {"listen.unix_socket", ConfigType::kString, "", 0, INT64_MAX, {}, false,
     "Path of a unix socket for clients; empty: none."},
    {"listen.tls_cert_file", ConfigType::kString, "", 0, INT64_MAX, {}, false,
     "Certificate (PEM); if given, the TCP listener speaks TLS. SIGHUP reads it again."},
    {"listen.tls_key_file", ConfigType::kString, "", 0, INT64_MAX, {}, false,
     "Private key of that certificate (PEM, without a passphrase)."},
    {"listen.tls_ca_file", ConfigType::kString, "", 0, INT64_MAX, {}, false,
     "Authorities (PEM) that client certificates must come from; empty: clients need none."},
    {"admin.address", ConfigType::kString, "127.0.0.1:9479", 0, INT64_MAX, {}, false,
     "IP:PORT of the HTTP listener for people and monitoring; empty: none."},
    {"admin.token_file", ConfigType::kString, "", 0, INT64_MAX, {}, false,
     "File with the bearer token that POST needs; empty: POST from loopback only."},
    {"auth.users_file", ConfigType::kString, "", 0, INT64_MAX, {}, false,
     "File with the users of the proxy, in the syntax of Redis's ACL files; empty: no users."},
    {"auth.protected_mode", ConfigType::kBool, "true", 0, INT64_MAX, {}, false,
     "Whether to refuse to listen beyond this machine while no password is needed."},
    {"redis.servers", ConfigType::kList, "127.0.0.1:6379", 0, INT64_MAX, {}, false,
     "HOST:PORT of Redis, or the path of its unix socket."},
    {"redis.mode", ConfigType::kString, "standalone", 0, INT64_MAX,
     {"standalone", "sentinel", "cluster"}, false,
     "How Redis is run; only standalone in this version."},
    {"redis.username", ConfigType::kString, "", 0, INT64_MAX, {}, false,
     "User that the proxy logs in as; empty: the default user."},
    {"redis.password_file", ConfigType::kString, "", 0, INT64_MAX, {}, false,
     "File with the password in its first line, read again when it is refused; empty: no login."},
    {"redis.tls", ConfigType::kBool, "false", 0, INT64_MAX, {}, false,
     "Whether to speak TLS to Redis, whose certificate must be valid for its name."},
    {"redis.tls_ca_file", ConfigType::kString, "", 0, INT64_MAX, {}, false,
     "Authorities (PEM) that Redis's certificate must come from; empty: the system's."},
    {"redis.tls_cert_file", ConfigType::kString, "", 0, INT64_MAX, {}, false,
     "Certificate (PEM) to show to Redis; empty: none. SIGHUP reads it again."},
    {"redis.tls_key_file", ConfigType::kString, "", 0, INT64_MAX, {}, false,
     "Private key of that certificate (PEM, without a passphrase)."},
    {"sale.shelves", ConfigType::kInteger, "64", 1, shelves::kCountMax, {}, false,
     "Groups of items that are decided together; fixed when the journal is begun."},
    {"journal.dir", ConfigType::kString, "journal", 0, INT64_MAX, {}, false,
     "Folder of the journal, on a local disk."},
    {"journal.fsync", ConfigType::kString, "always", 0, INT64_MAX, {"always", "everysec", "no"},
     false, "When a purchase is acknowledged: after fdatasync, or after write."},
    {"journal.segment_bytes", ConfigType::kSize, "64MiB", kMiB, kGiB, {}, false,
     "Size of one journal file, preallocated."},
    {"journal.max_bytes", ConfigType::kSize, "8GiB", 2 * kMiB, 1024 * kTiB, {}, false,
     "All journal files together; purchases are refused with -BUSY beyond it."},
    {"journal.retain", ConfigType::kDuration, "24h", 0, 3650 * kDayUs, {}, false,
     "How long a closed item can be reopened; the flusher's should be the same."},
    {"journal.lock_wait", ConfigType::kDuration, "30s", 0, kDayUs, {}, false,
     "How long a proxy that was passed its listening socket waits for the one before it to end."},
    {"limits.clients", ConfigType::kInteger, "10000", 1, 1'000'000, {}, true,
     "Clients connected at a time."},
    {"limits.commands_in_flight", ConfigType::kInteger, "10000", 1, 10'000'000, {}, true,
     "Unanswered commands of one client; then it is read from no more."},
    {"limits.client_output_pause", ConfigType::kSize, "256KiB", 4 * kKiB, kGiB, {}, true,
     "Replies that a client has not read; then it is read from no more."},
    {"limits.client_output_max", ConfigType::kSize, "1GiB", kMiB, kTiB, {}, true,
     "Replies that a client has not read; then it is cut off."},
    {"limits.query_buffer", ConfigType::kSize, "1GiB", kMiB, kTiB, {}, false,
     "Bytes of one unfinished command; then the client is cut off."},
    {"limits.bulk_bytes", ConfigType::kSize, "512MiB", kMiB, 4 * kGiB, {}, false,
     "Bytes of one argument; at most Redis's proto-max-bulk-len."},
    {"limits.arguments", ConfigType::kInteger, "2147483647", 16, 2'147'483'647, {}, false,
     "Arguments of one command."},
    {"limits.client_memory", ConfigType::kSize, "1GiB", kMiB, kTiB, {}, true,
     "Memory of one client's buffers; then it is cut off."},
    {"limits.memory", ConfigType::kSize, "2GiB", 16 * kMiB, 1024 * kTiB, {}, true,
     "Memory of all clients' buffers; those that hold most have to go."},
    {"limits.client_output_timeout", ConfigType::kDuration, "60s", 0, kDayUs, {}, true,
     "How long a client that has too much to read may read nothing; 0s: for ever."},
    {"limits.request_timeout", ConfigType::kDuration, "60s", 0, kDayUs, {}, true,
     "How long a command may take to arrive, and a second for each 64 KiB; 0s: for ever."},
    {"limits.login_timeout", ConfigType::kDuration, "5s", 0, kDayUs, {}, true,
     "How long a client's TLS handshake may take, and its login if users are configured; 0s: for "
     "ever."},
    {"limits.stop_timeout", ConfigType::kDuration, "1s", 0, kDayUs, {}, true,
     "How long a proxy that ends waits for clients to take their last replies."},
    {"limits.login_arguments", ConfigType::kInteger, "10", 2, 1024, {}, false,
     "Arguments of one command before the login."},
    {"limits.login_bulk_bytes", ConfigType::kSize, "16KiB", 64, kMiB, {}, false,
     "Bytes of one argument before the login."},
    {"limits.login_buffer", ConfigType::kSize, "64KiB", kKiB, 16 * kMiB, {}, false,
     "Bytes of an unfinished command, or of unread replies, before the login."},
    {"limits.pinned_connections", ConfigType::kInteger, "1000", 1, 100'000, {}, true,
     "Connections to Redis for transactions, blocking commands and subscriptions, in all."},
    {"limits.script_cache", ConfigType::kSize, "32MiB", 0, kTiB, {}, false,
     "Scripts of clients that are remembered, to be loaded again after a restart of Redis."},
    {"limits.items", ConfigType::kInteger, "100000", 1, 100'000'000, {}, false,
     "Items that exist in Redis at a time."},
    {"limits.batch_purchases", ConfigType::kInteger, "512", 1, 4096, {}, false,
     "Purchases of one shelf in one script call."},
    {"limits.purchases_in_flight", ConfigType::kInteger, "1000000", 1, 100'000'000, {}, false,
     "Purchases that wait for Redis, for each I/O thread; more are refused with -BUSY."},
    {"limits.redis_timeout", ConfigType::kDuration, "5s", 100'000, 600'000'000, {}, false,
     "Silence after which a connection to Redis is given up and an outcome called unknown."},
    {"limits.soldout_lease", ConfigType::kDuration, "100ms", 0, 10'000'000, {}, false,
     "How long after Redis said so purchases are refused as sold out without it; 0s: never."},
    {"limits.soldout_memory", ConfigType::kSize, "64MiB", 0, kTiB, {}, false,
     "Memory for what is known of sold-out items' buyers, about 2 bytes each, in all."},
    {"slowlog.log_slower_than", ConfigType::kDuration, "10ms", 0, 3'600'000'000, {}, false,
     "From how long on an operation on an item is in SECKILL.SLOWLOG."},
    {"slowlog.max_len", ConfigType::kInteger, "128", 0, 1'000'000, {}, false,
     "Entries of SECKILL.SLOWLOG; the oldest go."},
    {"flusher.admin", ConfigType::kString, "http://127.0.0.1:9480", 0, INT64_MAX, {}, false,
     "Where the flusher's HTTP listener is, for SECKILL.FLUSH and STATUS; empty: unknown."},
    {"flusher.admin_token_file", ConfigType::kString, "", 0, INT64_MAX, {}, false,
     "File with the flusher's bearer token; empty: it needs none."},
    {"log.level", ConfigType::kString, "info", 0, INT64_MAX,
     {"debug", "info", "warn", "error"}, true, "What is logged, to stderr."},
    {"log.format", ConfigType::kString, "text", 0, INT64_MAX, {"text", "json"}, false,
     "Lines for people, or a JSON object a line for machines."},
};

using TlsContextPtr = std::shared_ptr<net::TlsContext>;

using base::invalid;

Error not_supported(std::string_view key, std::string_view instead) {
  return invalid(std::string(key) + ": not supported in this version; " + std::string(instead));
}

Result<upstream::Endpoint> parse_server(const std::string& text) {
  upstream::Endpoint endpoint;
  if (text.starts_with('/')) {
    endpoint.host = text;
    endpoint.port = 0;
    return endpoint;
  }
  const size_t colon = text.rfind(':');
  const auto port = base::parse_integer(colon == std::string::npos ? "" : text.substr(colon + 1));
  if (!port || *port < 1 || *port > 65535 || colon == 0) {
    return invalid("redis.servers: \"" + text +
                   "\" is not HOST:PORT; write for example \"127.0.0.1:6379\", or the path of a "
                   "unix socket");
  }
  endpoint.host = text.substr(0, colon);
  if (endpoint.host.size() > 2 && endpoint.host.front() == '[' && endpoint.host.back() == ']')
    endpoint.host = endpoint.host.substr(1, endpoint.host.size() - 2);
  endpoint.port = static_cast<uint16_t>(*port);
  return endpoint;
}

Status check_supported(const base::Config& config) {
  if (config.string("redis.mode") != "standalone")
    return not_supported("redis.mode", "write \"standalone\"");
  return {};
}

net::TlsFiles tls_files(const base::Config& config, const std::string& section) {
  return {config.string(section + ".tls_cert_file"), config.string(section + ".tls_key_file"),
          config.string(section + ".tls_ca_file")};
}

Result<TlsContextPtr> listen_tls(const base::Config& config) {
  const net::TlsFiles files = tls_files(config, "listen");
  if (files == net::TlsFiles()) return TlsContextPtr();
  if (config.string("listen.address").empty())
    return invalid("listen.tls_cert_file: it is for the TCP listener, and listen.address is empty");
  return net::TlsContext::for_server("listen", files);
}

Result<TlsContextPtr> redis_tls(const base::Config& config, bool unix_socket) {
  const net::TlsFiles files = tls_files(config, "redis");
  if (!config.boolean("redis.tls")) {
    if (files == net::TlsFiles()) return TlsContextPtr();
    return invalid("redis.tls: files for it are given, but it is false; write tls = true");
  }
  if (unix_socket) return invalid("redis.tls: a unix socket needs none; give Redis's HOST:PORT");
  return net::TlsContext::for_client("redis", files);
}

Result<upstream::Endpoint> make_endpoint(const base::Config& config) {
  const auto& servers = config.list("redis.servers");
  if (servers.size() != 1) {
    return invalid("redis.servers: one server is needed with redis.mode = \"standalone\", not " +
                   std::to_string(servers.size()));
  }
  auto endpoint = parse_server(servers[0]);
  if (!endpoint) return endpoint.error();
  endpoint->username = config.string("redis.username");
  auto secret = base::Secret::open("redis.password_file", config.string("redis.password_file"));
  if (!secret) return secret.error();
  endpoint->secret = std::move(*secret);
  if (!endpoint->username.empty() && endpoint->password().empty())
    return invalid("redis.username: it needs redis.password_file too");
  auto tls = redis_tls(config, endpoint->port == 0);
  if (!tls) return tls.error();
  endpoint->tls = std::move(*tls);
  return endpoint;
}

size_t default_threads() { return std::max(1u, std::thread::hardware_concurrency() / 2); }

}  // namespace

const std::vector<ConfigKey>& config_keys() { return kKeys; }

Result<Options> make_options(const base::Config& config) {
  SLUICE_TRY(check_supported(config));
  auto redis = make_endpoint(config);
  if (!redis) return redis.error();
  Options options;
  options.redis = std::move(*redis);
  options.proxy_id = config.integer_if_set("proxy.id");
  options.shelves = config.integer("sale.shelves");
  const int64_t threads = config.integer("proxy.io_threads");
  options.io_threads = threads > 0 ? static_cast<size_t>(threads) : default_threads();
  auto tls = listen_tls(config);
  if (!tls) return tls.error();
  options.listen = {config.string("listen.address"), config.string("listen.unix_socket"), *tls};
  if (options.listen.address.empty() && options.listen.unix_socket.empty())
    return invalid("listen.address: set it or listen.unix_socket, else no client can connect");
  SLUICE_TRY(front::check(options.listen));
  options.users_file = config.string("auth.users_file");
  options.protected_mode = config.boolean("auth.protected_mode");
  auto token = base::Secret::open("admin.token_file", config.string("admin.token_file"));
  if (!token) return token.error();
  options.admin = {config.string("admin.address"), std::move(*token), kAdminRequestsPerSecond};
  SLUICE_TRY(http::check(options.admin));
  options.journal_dir = config.string("journal.dir");
  options.journal_fsync = config.string("journal.fsync");
  options.journal_segment_bytes = config.integer("journal.segment_bytes");
  options.journal_max_bytes = config.integer("journal.max_bytes");
  if (options.journal_max_bytes < 2 * options.journal_segment_bytes)
    return invalid("journal.max_bytes: must be at least twice journal.segment_bytes");
  options.journal_retain_us = config.integer("journal.retain");
  options.journal_lock_wait_us = config.integer("journal.lock_wait");
  options.items_max = config.integer("limits.items");
  options.batch_purchases_max = config.integer("limits.batch_purchases");
  options.purchases_in_flight_max = config.integer("limits.purchases_in_flight");
  options.redis_timeout_us = config.integer("limits.redis_timeout");
  options.sold_out_lease_us = config.integer("limits.soldout_lease");
  options.sold_out_bytes = config.integer("limits.soldout_memory");
  options.slow_log_us = config.integer("slowlog.log_slower_than");
  options.slow_log_entries = config.integer("slowlog.max_len");
  options.redis.reply_timeout_us = options.redis_timeout_us;
  options.flusher_admin = config.string("flusher.admin");
  auto flusher_token =
      base::Secret::open("flusher.admin_token_file", config.string("flusher.admin_token_file"));
  if (!flusher_token) return flusher_token.error();
  options.flusher_admin_token = std::move(*flusher_token);
  return options;
}

Result<std::unique_ptr<front::UserDirectory>> open_users(const Options& options) {
  const bool exposed = options.protected_mode && !front::is_local(options.listen);
  if (options.users_file.empty()) {
    if (!exposed) return std::unique_ptr<front::UserDirectory>();
    return invalid("listen.address: " + options.listen.address +
                   " can be reached from other machines, and without auth.users_file everybody "
                   "there may do everything; name users in auth.users_file, or listen on 127.0.0.1 "
                   "or a unix socket, or write auth.protected_mode = false if the network is safe");
  }
  auto directory = front::UserDirectory::open(options.users_file);
  if (!directory) return directory.error();
  const front::UserPtr user = (*directory)->users()->default_user();
  if (exposed && user->enabled && user->no_password) {
    return invalid("auth.users_file: " + options.users_file +
                   ": the default user is on and needs no password, and listen.address " +
                   options.listen.address +
                   " can be reached from other machines; write \"user default off\" or give it a "
                   "password, or write auth.protected_mode = false if the network is safe");
  }
  return directory;
}

void apply_live(const base::Config& config, front::Limits& limits) {
  limits.clients = config.integer("limits.clients");
  limits.commands_in_flight = config.integer("limits.commands_in_flight");
  limits.output_pause_bytes = config.integer("limits.client_output_pause");
  limits.output_max_bytes = config.integer("limits.client_output_max");
  limits.pinned_connections = config.integer("limits.pinned_connections");
  limits.client_memory_bytes = config.integer("limits.client_memory");
  limits.memory_bytes = config.integer("limits.memory");
  limits.output_timeout_us = config.integer("limits.client_output_timeout");
  limits.request_timeout_us = config.integer("limits.request_timeout");
  limits.login_timeout_us = config.integer("limits.login_timeout");
  limits.stop_timeout_us = config.integer("limits.stop_timeout");
  const std::string& level = config.string("log.level");
  spdlog::set_level(spdlog::level::from_str(level == "error" ? "err" : level));
}

void apply_fixed(const base::Config& config, front::Limits& limits) {
  limits.query_buffer_bytes = config.integer("limits.query_buffer");
  limits.script_cache_bytes = config.integer("limits.script_cache");
  limits.request.bulk_bytes_max = config.integer("limits.bulk_bytes");
  limits.request.arguments_max = config.integer("limits.arguments");
  limits.request.login_arguments_max = config.integer("limits.login_arguments");
  limits.request.login_bulk_bytes_max = config.integer("limits.login_bulk_bytes");
  limits.login_buffer_bytes = config.integer("limits.login_buffer");
}

}  // namespace sluice::proxy
