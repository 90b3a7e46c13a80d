// The flusher's configuration keys, and their values as the program uses them.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/config.h"
#include "base/secret.h"
#include "flusher/schedule.h"
#include "flusher/server_load.h"
#include "orders/order_table.h"
#include "sql/connection.h"

namespace sluice::flusher {

struct BatchOptions {
  int64_t rows = 1000;      // of one transaction
  int64_t rows_min = 10;    // of one transaction, while the pace is slow
  int64_t bytes = 1 << 20;  // of one statement, and of the records of one transaction
  uint32_t writers = 2;
};

// 0 or empty: that trigger is off.
struct TriggerOptions {
  Schedule schedule;
  int64_t load_below_per_s = 500;
  int64_t load_for_us = 2'000'000;
  int64_t backlog_rows = 0;
  int64_t backlog_bytes = int64_t{1} << 30;
  int64_t max_age_us = 60'000'000;
  int64_t disk_free_bytes = int64_t{512} << 20;
};

// 0: no limit.
struct PaceOptions {
  int64_t rows_per_s = 0;
  int64_t commit_latency_us = 250'000;
  int64_t threads_running = 64;
  int64_t lock_waits = 16;
  int64_t replica_lag_us = 10'000'000;
  std::vector<ReplicaAddress> replicas;
};

// Everything, copied from a Config. Parts marked live change with SIGHUP.
struct Options {
  std::string journal_dir;
  int64_t retain_us = 0;  // live
  sql::ConnectOptions mysql;
  bool create_schema = false;
  orders::OrderTable orders;
  BatchOptions batch;      // live but for `writers`
  TriggerOptions trigger;  // live
  PaceOptions pace;        // live
  int64_t once_timeout_us = 30'000'000;
  uint64_t dead_letters_max = 10'000;
  std::string admin_address;
  std::shared_ptr<base::Secret> admin_token;  // null: none
  std::string log_level;  // live
  std::string log_format = "text";
};

const std::vector<base::ConfigKey>& config_keys();

// kInvalid names the key: what a single key's type and range cannot say (cron lines, identifiers,
// an unreadable password file).
Result<Options> make_options(const base::Config& config);

}  // namespace sluice::flusher
