#include "flusher/options.h"

#include <iterator>

#include "base/units.h"
#include "http/access.h"
#include "http/server.h"
#include "orders/config.h"
#include "sql/config.h"

namespace sluice::flusher {
namespace {

using base::ConfigKey;
using base::ConfigType;

constexpr int64_t kSecondUs = 1'000'000;
constexpr int64_t kDayUs = 86'400 * kSecondUs;

std::vector<ConfigKey> journal_keys() {
  return {
      {"journal.dir",
       ConfigType::kString,
       "/var/lib/sluice/journal",
       0,
       0,
       {},
       false,
       "The proxy's journal folder."},
      {"journal.retain",
       ConfigType::kDuration,
       "24h",
       0,
       3650 * kDayUs,
       {},
       true,
       "How long a segment stays once it is in MySQL, and a closed item in the snapshot."},
  };
}

// Behind those of the connection.
std::vector<ConfigKey> mysql_keys() {
  return {
      {"mysql.timeout",
       ConfigType::kDuration,
       "60s",
       kSecondUs,
       3600 * kSecondUs,
       {},
       false,
       "Longest wait for one statement's answer; whole seconds."},
      {"mysql.create_schema",
       ConfigType::kBool,
       "false",
       0,
       0,
       {},
       false,
       "Create the database and missing tables at start-up."},
  };
}

std::vector<ConfigKey> drain_keys() {
  return {
      {"batch.rows",
       ConfigType::kInteger,
       "1000",
       1,
       10000,
       {},
       false,
       "Records in one transaction, at most."},
      {"batch.rows_min",
       ConfigType::kInteger,
       "10",
       1,
       10000,
       {},
       false,
       "Records in one transaction, at least, while the pace is slow."},
      {"batch.bytes",
       ConfigType::kSize,
       "1MiB",
       16 * 1024,
       64 << 20,
       {},
       false,
       "Bytes of one statement, and of the records of one transaction, at most."},
      {"batch.writers",
       ConfigType::kInteger,
       "2",
       1,
       64,
       {},
       false,
       "Writer threads, each with its own connection and transaction."},
      {"trigger.schedule",
       ConfigType::kList,
       "",
       0,
       0,
       {},
       true,
       "Cron lines and \"HH:MM-HH:MM\" windows, by trigger.time_zone."},
      {"trigger.time_zone",
       ConfigType::kString,
       "",
       0,
       0,
       {},
       true,
       "IANA name of the schedule's time zone; empty: the machine's."},
      {"trigger.load_below",
       ConfigType::kRate,
       "500/s",
       0,
       1'000'000'000,
       {},
       true,
       "Drain while fewer records than this are written to the journal; 0/s: off."},
      {"trigger.load_for",
       ConfigType::kDuration,
       "2s",
       0,
       kDayUs,
       {},
       true,
       "How long the load must have been that low."},
      {"trigger.backlog_rows",
       ConfigType::kInteger,
       "0",
       0,
       INT64_MAX,
       {},
       true,
       "Drain when this many records wait; 0: off."},
      {"trigger.backlog_bytes",
       ConfigType::kSize,
       "1GiB",
       0,
       INT64_MAX,
       {},
       true,
       "Drain when this much of the journal waits; 0B: off."},
      {"trigger.max_age",
       ConfigType::kDuration,
       "60s",
       0,
       30 * kDayUs,
       {},
       true,
       "Drain when the oldest waiting record is this old; 0s: off."},
      {"trigger.disk_free",
       ConfigType::kSize,
       "512MiB",
       0,
       INT64_MAX,
       {},
       true,
       "Drain while less than this is free where the journal is; 0B: off."},
      {"pace.rows_per_second",
       ConfigType::kInteger,
       "0",
       0,
       1'000'000'000,
       {},
       true,
       "Records drained per second, at most; 0: no limit."},
      {"pace.commit_latency",
       ConfigType::kDuration,
       "250ms",
       0,
       60 * kSecondUs,
       {},
       true,
       "Slow down while COMMIT takes longer; 0ms: never for that."},
      {"pace.threads_running",
       ConfigType::kInteger,
       "64",
       0,
       1'000'000,
       {},
       true,
       "Slow down while the server's Threads_running is above; 0: never for that."},
      {"pace.lock_waits",
       ConfigType::kInteger,
       "16",
       0,
       1'000'000,
       {},
       true,
       "Slow down while more sessions wait for row locks, on average; 0: never for that."},
      {"pace.replicas",
       ConfigType::kList,
       "",
       0,
       0,
       {},
       true,
       "Replicas, as \"host:port\", that must not fall behind."},
      {"pace.replica_lag",
       ConfigType::kDuration,
       "10s",
       0,
       kDayUs,
       {},
       true,
       "Slow down while one of pace.replicas is further behind; 0s: never for that."},
      {"limits.once_timeout",
       ConfigType::kDuration,
       "30s",
       kSecondUs,
       kDayUs,
       {},
       false,
       "--once gives up after this long without a working MySQL."},
      {"limits.dead_letters",
       ConfigType::kInteger,
       "10000",
       0,
       INT64_MAX,
       {},
       false,
       "With so many orders that MySQL refused it waits, instead of refusing more."},
      {"admin.address",
       ConfigType::kString,
       "127.0.0.1:9480",
       0,
       0,
       {},
       false,
       "Where the admin HTTP listener is; empty: none."},
      {"admin.token_file",
       ConfigType::kString,
       "",
       0,
       0,
       {},
       false,
       "File with the bearer token that POST needs; empty: POST on loopback only."},
      {"log.level",
       ConfigType::kString,
       "info",
       0,
       0,
       {"debug", "info", "warn", "error"},
       true,
       "Least severe messages that are logged."},
      {"log.format",
       ConfigType::kString,
       "text",
       0,
       0,
       {"text", "json"},
       false,
       "Lines for people, or a JSON object a line for machines."},
  };
}

Result<sql::ConnectOptions> connect_options(const base::Config& config) {
  auto mysql = sql::connect_options(config);
  if (!mysql) return mysql;
  mysql->must_take_writes = true;
  mysql->timeout_s = static_cast<unsigned>(config.integer("mysql.timeout") / kSecondUs);
  return mysql;
}

Result<TriggerOptions> trigger_options(const base::Config& config) {
  const auto zone = find_time_zone(config.string("trigger.time_zone"));
  if (!zone) return zone.error().at("trigger.time_zone");
  auto schedule = Schedule::parse(config.list("trigger.schedule"), *zone);
  if (!schedule) return schedule.error().at("trigger.schedule");
  TriggerOptions trigger;
  trigger.schedule = std::move(*schedule);
  trigger.load_below_per_s = config.integer("trigger.load_below");
  trigger.load_for_us = config.integer("trigger.load_for");
  trigger.backlog_rows = config.integer("trigger.backlog_rows");
  trigger.backlog_bytes = config.integer("trigger.backlog_bytes");
  trigger.max_age_us = config.integer("trigger.max_age");
  trigger.disk_free_bytes = config.integer("trigger.disk_free");
  return trigger;
}

Result<PaceOptions> pace_options(const base::Config& config) {
  PaceOptions pace;
  pace.rows_per_s = config.integer("pace.rows_per_second");
  pace.commit_latency_us = config.integer("pace.commit_latency");
  pace.threads_running = config.integer("pace.threads_running");
  pace.lock_waits = config.integer("pace.lock_waits");
  pace.replica_lag_us = config.integer("pace.replica_lag");
  for (const std::string& name : config.list("pace.replicas")) {
    const auto address = http::parse_host_port(name);
    if (!address) return address.error().at("pace.replicas");
    const auto port = base::parse_integer(address->port);
    if (!port || *port == 0) {
      return Error(ErrorClass::kInvalid,
                   "pace.replicas: \"" + name + "\" has no port; write it like \"10.0.0.2:3306\"");
    }
    pace.replicas.push_back({name, address->host, static_cast<uint16_t>(*port)});
  }
  return pace;
}

}  // namespace

const std::vector<ConfigKey>& config_keys() {
  static const std::vector<ConfigKey> keys = [] {
    std::vector<ConfigKey> all = journal_keys();
    for (auto part : {sql::connection_keys(), mysql_keys(), orders::config_keys(), drain_keys()})
      std::move(part.begin(), part.end(), std::back_inserter(all));
    return all;
  }();
  return keys;
}

Result<Options> make_options(const base::Config& config) {
  auto mysql = connect_options(config);
  if (!mysql) return mysql.error();
  auto orders = orders::order_table(config);
  if (!orders) return orders.error();
  auto trigger = trigger_options(config);
  if (!trigger) return trigger.error();
  auto pace = pace_options(config);
  if (!pace) return pace.error();
  Options options;
  options.journal_dir = config.string("journal.dir");
  options.retain_us = config.integer("journal.retain");
  options.mysql = std::move(*mysql);
  options.create_schema = config.boolean("mysql.create_schema");
  options.orders = std::move(*orders);
  options.batch = {config.integer("batch.rows"), config.integer("batch.rows_min"),
                   config.integer("batch.bytes"),
                   static_cast<uint32_t>(config.integer("batch.writers"))};
  options.trigger = std::move(*trigger);
  options.pace = std::move(*pace);
  options.once_timeout_us = config.integer("limits.once_timeout");
  options.dead_letters_max = static_cast<uint64_t>(config.integer("limits.dead_letters"));
  options.admin_address = config.string("admin.address");
  auto token = base::Secret::open("admin.token_file", config.string("admin.token_file"));
  if (!token) return token.error();
  options.admin_token = std::move(*token);
  SLUICE_TRY(http::check({options.admin_address}));
  options.log_level = config.string("log.level");
  options.log_format = config.string("log.format");
  return options;
}

}  // namespace sluice::flusher
