// The proxy's configuration: the table of its keys, and the values as plain structs for the parts.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/config.h"
#include "base/error.h"
#include "base/secret.h"
#include "http/server.h"
#include "proxy/front/limits.h"
#include "proxy/front/server.h"
#include "proxy/front/user_directory.h"
#include "proxy/upstream/endpoint.h"

namespace sluice::proxy {

// Every key, in the order of conf/proxy.toml.
const std::vector<base::ConfigKey>& config_keys();

struct Options {
  std::optional<int64_t> proxy_id;  // else that of the journal, or of a new one at random
  int64_t shelves = 64;
  size_t io_threads = 1;
  front::ListenOptions listen;
  std::string users_file;     // "": everybody may do everything
  bool protected_mode = true;
  http::ServerOptions admin;
  upstream::Endpoint redis;
  std::string journal_dir;
  std::string journal_fsync;  // always, everysec, no
  int64_t journal_segment_bytes = 0;
  int64_t journal_max_bytes = 0;
  int64_t journal_retain_us = 0;
  int64_t journal_lock_wait_us = 0;
  int64_t items_max = 0;
  int64_t batch_purchases_max = 0;
  int64_t purchases_in_flight_max = 0;
  int64_t redis_timeout_us = 0;
  int64_t sold_out_lease_us = 0;
  int64_t sold_out_bytes = 0;
  int64_t slow_log_us = 10'000;
  int64_t slow_log_entries = 128;
  std::string flusher_admin;
  std::shared_ptr<base::Secret> flusher_admin_token;  // null: none
};

// kInvalid: values that contradict each other, that this version does not support, or a password
// file that cannot be read. Messages name the key.
Result<Options> make_options(const base::Config& config);

// The users of the proxy; null if none are configured. kInvalid: their file is wrong, or in
// protected mode other machines could do everything without a password.
Result<std::unique_ptr<front::UserDirectory>> open_users(const Options& options);

// Puts the live keys to work: limits and log level.
void apply_live(const base::Config& config, front::Limits& limits);
// Those limits that hold until the next start.
void apply_fixed(const base::Config& config, front::Limits& limits);

}  // namespace sluice::proxy
