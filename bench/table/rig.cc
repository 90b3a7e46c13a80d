#include "bench/table/rig.h"

#include <cstdio>

#include "bench/control.h"
#include "bench/cpu_time.h"
#include "bench/diy_workload.h"
#include "bench/text.h"

namespace sluice::bench::table {
namespace {

constexpr const char* kRedisSluice = "redis-sluice";
constexpr const char* kRedisAof = "redis-aof";
constexpr const char* kRedisPlain = "redis-plain";
constexpr const char* kProxy = "sluice-proxy";
constexpr const char* kTwemproxy = "nutcracker";

const char* server_of(Contender contender) {
  switch (contender) {
    case Contender::kSluice:
      return kProxy;
    case Contender::kDiy:
    case Contender::kAofOnly:
      return kRedisAof;
    case Contender::kPlain:
      return kRedisPlain;
  }
  return "";
}

}  // namespace

const char* contender_name(Contender contender) {
  switch (contender) {
    case Contender::kSluice:
      return "Sluice, journal.fsync = \"always\"";
    case Contender::kDiy:
      return "do it yourself: + XADD, AOF always";
    case Contender::kAofOnly:
      return "EVALSHA, AOF always, no stream";
    case Contender::kPlain:
      return "plain EVALSHA, nothing durable";
  }
  return "";
}

Result<std::unique_ptr<Rig>> Rig::create(const StackOptions& options, bool progress) {
  std::unique_ptr<Rig> rig(new Rig(options, progress));
  auto lasting = Stack::create(options);
  if (!lasting) return lasting.error();
  rig->lasting_ = std::move(*lasting);
  return rig;
}

Status Rig::begin_round() {
  round_.reset();
  addresses_.clear();
  auto stack = Stack::create(options_);
  if (!stack) return stack.error();
  round_ = std::move(*stack);
  if (has_database_) round_->use_database(lasting_->database());
  return {};
}

Result<double> Rig::settle() {
  if (acknowledged_.empty()) return 0.0;
  const auto database_options = database();
  if (!database_options) return database_options.error();
  uint64_t orders = 0;
  for (const auto& [item, told] : acknowledged_) orders += told.orders;
  say("check", "draining", with_commas(static_cast<double>(orders)) + " orders");
  const auto seconds = round_->drain();
  if (!seconds) return seconds.error();
  SLUICE_TRY(check_accepted(**database_options, acknowledged_));
  SLUICE_TRY(empty_tables());
  orders_checked_ += orders;
  items_checked_ += acknowledged_.size();
  acknowledged_.clear();
  return *seconds;
}

Status Rig::empty_tables() {
  sql::Connection connection;
  if (const auto failure = connection.connect(lasting_->database())) return failure->error();
  for (const char* statement : {"TRUNCATE TABLE orders", "TRUNCATE TABLE items"}) {
    if (const auto failure = connection.exec(statement)) return failure->error();
  }
  return {};
}

Result<const sql::ConnectOptions*> Rig::database() {
  if (!has_database_) {
    say("start", "MariaDB", "");
    SLUICE_TRY(lasting_->start_database());
    SLUICE_TRY(create_tables(lasting_->database()));
    const auto version = bench::database_version(lasting_->database());
    if (!version) return version.error();
    database_version_ = *version;
    has_database_ = true;
    round_->use_database(lasting_->database());
  }
  return &lasting_->database();
}

Result<std::string> Rig::address(Contender contender) { return start(server_of(contender)); }

Result<std::string> Rig::twemproxy_address() { return start(kTwemproxy); }

Result<std::string> Rig::start(const std::string& server) {
  std::string& known = addresses_[server];
  if (!known.empty()) return known;
  Result<std::string> started = std::string();
  if (server == kProxy) {
    // The flusher's config, written with the proxy's, names the database.
    if (const auto ready = database(); !ready) return ready.error();
    const auto redis = start(kRedisSluice);
    if (!redis) return redis;
    started = round_->start_proxy(*redis);
  } else if (server == kTwemproxy) {
    const auto redis = start(kRedisPlain);
    if (!redis) return redis;
    started = round_->start_twemproxy(*redis);
  } else if (server == kRedisAof) {
    started = round_->start_redis(server, {"appendonly", "yes", "appendfsync", "always"});
  } else {
    started = round_->start_redis(server, {});
  }
  if (!started) return started;
  known = *started;
  if (redis_version_.empty() && server.starts_with("redis")) {
    auto control = Control::connect(known);
    if (!control) return control.error();
    const auto info = control->command({"INFO", "server"});
    if (!info) return info.error();
    redis_version_ = info_field(info->text, "redis_version");
  }
  return started;
}

Result<Measured> Rig::run(Contender contender, LoadOptions load, Workload& workload) {
  const auto where = address(contender);
  if (!where) return where.error();
  load.address = *where;
  const bool sluice = contender == Contender::kSluice;
  const pid_t redis = round_->pid_of(sluice ? kRedisSluice : server_of(contender));
  const pid_t proxy = sluice ? round_->pid_of(kProxy) : 0;
  const double redis_s = process_cpu_s(redis), proxy_s = sluice ? process_cpu_s(proxy) : 0;
  auto result = run_load(load, workload);
  if (!result) return result.error();
  if (result->interrupted) return Error(ErrorClass::kUnavailable, "interrupted");
  return Measured{std::move(*result), process_cpu_s(redis) - redis_s,
                  sluice ? process_cpu_s(proxy) - proxy_s : 0};
}

Result<Measured> Rig::sell(Contender contender, const LoadOptions& load) {
  SaleOptions options;
  options.item = next_item();
  if (contender != Contender::kSluice) return sell_items_as(contender, options, load);
  SLUICE_TRY(create_items(options, kEndlessStock));
  return sell_items(options, load);
}

Result<Measured> Rig::sell_items(const SaleOptions& options, const LoadOptions& load) {
  auto workload = SaleWorkload::create(options);
  if (!workload) return workload.error();
  auto measured = run(Contender::kSluice, load, **workload);
  if (!measured) return measured;
  note_acknowledged(options, **workload);
  SLUICE_TRY(only_accepted(measured->load, contender_name(Contender::kSluice)));
  return measured;
}

Status Rig::create_items(const SaleOptions& options, int64_t stock) {
  const auto where = address(Contender::kSluice);
  if (!where) return where.error();
  auto control = Control::connect(*where);
  if (!control) return control.error();
  std::string commands;
  const std::vector<std::string> items = sale_items(options);
  for (const std::string& item : items) {
    append_command(commands, "SECKILL.CREATE", item, "STOCK", std::to_string(stock), "LIMIT", "1");
  }
  return control->pipeline(commands, items.size());
}

void Rig::note_acknowledged(const SaleOptions& options, const SaleWorkload& workload) {
  const std::vector<std::string> items = sale_items(options);
  for (size_t i = 0; i < items.size(); ++i) {
    acknowledged_[items[i]].add(workload.acknowledged()[i]);
  }
}

Result<Measured> Rig::sell_items_as(Contender contender, const SaleOptions& sale,
                                    const LoadOptions& load) {
  const auto where = address(contender);
  if (!where) return where.error();
  DiyOptions options{*where, sale.item, kEndlessStock};
  options.items = sale.items;
  options.zipf = sale.zipf;
  options.stream = contender == Contender::kDiy;
  auto workload = DiyWorkload::create(options);
  if (!workload) return workload.error();
  auto measured = run(contender, load, **workload);
  if (!measured) return measured;
  SLUICE_TRY(only_accepted(measured->load, contender_name(contender)));
  SLUICE_TRY((*workload)->clean_up());
  return measured;
}

void Rig::say(const std::string& what, const std::string& who, const std::string& figure) const {
  if (!progress_) return;
  std::fprintf(stderr, "  %s%s%s\n", padded(what, 26, false).c_str(),
               padded(who, 40, false).c_str(), padded(figure, 20).c_str());
}

Status only_accepted(const LoadResult& result, const std::string& who) {
  if (result.accepted == result.sent) return {};
  std::string what = who + ": " + std::to_string(result.sent - result.accepted) + " of " +
                     std::to_string(result.sent) + " purchases were not accepted:";
  for (const Tally* tally : {&result.refused, &result.errors}) {
    for (const auto& [name, count] : tally->entries()) {
      what += " " + name + " " + std::to_string(count);
    }
  }
  what +=
      ", unanswered " + std::to_string(result.unanswered) + ", lost " + std::to_string(result.lost);
  return Error(ErrorClass::kRefused, what);
}

LoadOptions closed_loop(int connections, int pipeline, double seconds, uint64_t requests) {
  LoadOptions load;
  load.connections = connections;
  load.pipeline = pipeline;
  load.requests = requests;
  load.duration_us = static_cast<int64_t>(seconds * 1e6);
  load.progress = false;
  return load;
}

LoadOptions open_loop(int connections, double rate_per_s, double seconds) {
  LoadOptions load = closed_loop(connections, 1, seconds, 0);
  load.rate_per_s = rate_per_s;
  return load;
}

}  // namespace sluice::bench::table
