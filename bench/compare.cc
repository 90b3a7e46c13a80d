#include "bench/compare.h"

#include <algorithm>
#include <cstdio>
#include <map>

#include "bench/control.h"
#include "bench/diy_workload.h"
#include "bench/insert_loop.h"
#include "bench/interrupt.h"
#include "bench/load.h"
#include "bench/order_check.h"
#include "bench/sale_workload.h"
#include "bench/text.h"

namespace sluice::bench {
namespace {

constexpr int64_t kStock = 2'000'000'000;  // never sold out: every answer is an accepted purchase
constexpr uint64_t kBareFirstOrderId = uint64_t{1} << 63;  // above every order_id of Sluice

class Comparison {
 public:
  explicit Comparison(const CompareOptions& options) : options_(options) {}

  Result<CompareResult> run();

 private:
  using Samples = std::vector<double>;

  Status start_servers();
  Status measure_purchases();
  Status measure_once(Contender contender, size_t shape);
  Result<LoadResult> run_sale(const LoadOptions& load);
  Result<LoadResult> run_diy(const LoadOptions& load, bool stream);
  Status measure_drains();
  Status measure_bare_loop(int connections, Samples& samples);
  Status check_orders();
  void summarize();
  void say(const std::string& text) const {
    if (options_.progress) std::fprintf(stderr, "%s\n", text.c_str());
  }
  std::string next_item() { return "bench-" + std::to_string(++items_made_); }

  const CompareOptions& options_;
  std::unique_ptr<Stack> stack_;
  CompareResult result_;
  std::string sluice_address_, diy_address_, plain_address_;
  std::vector<Contender> contenders_;
  std::map<std::pair<Contender, size_t>, Samples> per_second_, p99_ns_;  // by contender and shape
  Samples drain_, bare_one_, bare_two_;
  AcceptedOrders accepted_;
  uint64_t items_made_ = 0;
  uint64_t bare_rows_ = 0;
};

Result<CompareResult> Comparison::run() {
  auto stack = Stack::create(options_.stack);
  if (!stack) return stack.error();
  stack_ = std::move(*stack);
  auto machine = describe_machine(stack_->folder());
  if (!machine) return machine.error();
  result_.machine = std::move(*machine);
  result_.rounds = options_.rounds;
  result_.shapes = {{50, 1}, {500, 1}, {50, 16}};
  SLUICE_TRY(start_servers());
  SLUICE_TRY(measure_purchases());
  if (!options_.baseline_only) {
    say("draining what was sold, and counting it in MySQL");
    const auto seconds = stack_->drain();
    if (!seconds) return seconds.error();
    SLUICE_TRY(check_orders());
  }
  SLUICE_TRY(measure_drains());
  summarize();
  return std::move(result_);
}

Status Comparison::start_servers() {
  say("starting Redis, MariaDB" + std::string(options_.baseline_only ? "" : " and Sluice") +
      " in " + stack_->folder());
  const auto diy = stack_->start_redis("redis-diy", {"appendonly", "yes", "appendfsync", "always"});
  if (!diy) return diy.error();
  diy_address_ = *diy;
  const auto plain = stack_->start_redis("redis-plain", {});
  if (!plain) return plain.error();
  plain_address_ = *plain;
  contenders_ = {Contender::kDiyDurable, Contender::kPlain};
  auto control = Control::connect(plain_address_);
  if (!control) return control.error();
  const auto info = control->command({"INFO", "server"});
  if (!info) return info.error();
  result_.redis_version = info_field(info->text, "redis_version");

  SLUICE_TRY(stack_->start_database());
  const auto version = database_version(stack_->database());
  if (!version) return version.error();
  result_.database_version = *version;
  if (options_.baseline_only) return create_tables(stack_->database());
  const auto redis = stack_->start_redis("redis-sluice", {});
  if (!redis) return redis.error();
  const auto proxy = stack_->start_proxy(*redis);
  if (!proxy) return proxy.error();
  sluice_address_ = *proxy;
  contenders_.insert(contenders_.begin(), Contender::kSluice);
  return {};
}

Status Comparison::measure_purchases() {
  for (int round = 0; round < options_.rounds; ++round) {
    for (size_t shape = 0; shape < result_.shapes.size(); ++shape) {
      for (const Contender contender : contenders_) {
        SLUICE_TRY(measure_once(contender, shape));
      }
    }
  }
  return {};
}

Status Comparison::measure_once(Contender contender, size_t shape) {
  LoadOptions load;
  load.connections = result_.shapes[shape].connections;
  load.pipeline = result_.shapes[shape].pipeline;
  load.requests = options_.run_requests;
  load.duration_us = static_cast<int64_t>(options_.run_s * 1e6);
  load.progress = false;
  const auto done = contender == Contender::kSluice
                        ? run_sale(load)
                        : run_diy(load, contender == Contender::kDiyDurable);
  if (!done) return done.error();
  if (done->interrupted) return Error(ErrorClass::kUnavailable, "interrupted");
  const double rate = done->per_second(done->accepted);
  per_second_[{contender, shape}].push_back(rate);
  p99_ns_[{contender, shape}].push_back(static_cast<double>(done->accepted_ns.quantile(0.99)));
  const char* names[] = {"Sluice", "do it yourself", "plain"};
  say("  " + padded(names[static_cast<int>(contender)], 15, false) +
      padded(result_.shapes[shape].text(), 20, false) + padded(with_commas(rate), 10) + "/s");
  return {};
}

// A run that refused, lost or broke anything is no measurement of accepted purchases.
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

Result<LoadResult> Comparison::run_sale(const LoadOptions& load_options) {
  LoadOptions load = load_options;
  load.address = sluice_address_;
  const std::string item = next_item();
  auto control = Control::connect(sluice_address_);
  if (!control) return control.error();
  const auto created =
      control->command({"SECKILL.CREATE", item, "STOCK", std::to_string(kStock), "LIMIT", "1"});
  if (!created) return created.error();
  auto workload = SaleWorkload::create({item});
  if (!workload) return workload.error();
  auto result = run_load(load, **workload);
  if (!result) return result;
  accepted_[item] = result->accepted;
  if (result->interrupted) return result;
  SLUICE_TRY(only_accepted(*result, "Sluice"));
  return result;
}

Result<LoadResult> Comparison::run_diy(const LoadOptions& load_options, bool stream) {
  LoadOptions load = load_options;
  load.address = stream ? diy_address_ : plain_address_;
  DiyOptions options{load.address, next_item(), kStock};
  options.stream = stream;
  auto workload = DiyWorkload::create(options);
  if (!workload) return workload.error();
  auto result = run_load(load, **workload);
  if (!result) return result;
  if (result->interrupted) return result;
  SLUICE_TRY(only_accepted(*result, "do it yourself"));
  SLUICE_TRY((*workload)->clean_up());
  return result;
}

// Each round sells a fresh backlog with the flusher away, as in a peak, then lets it drain all of
// it; the bare loops put as many rows into the same table.
Status Comparison::measure_drains() {
  for (int round = 0; round < options_.rounds; ++round) {
    if (!options_.baseline_only) {
      LoadOptions load;
      load.connections = 50;
      load.pipeline = 16;
      load.requests = options_.drain_rows;
      load.duration_us = 60'000'000;
      load.progress = false;
      const auto sold = run_sale(load);
      if (!sold) return sold.error();
      const auto seconds = stack_->drain();
      if (!seconds) return seconds.error();
      drain_.push_back(static_cast<double>(sold->accepted) / *seconds);
      say("  drain          sluice-flusher      " + padded(with_commas(drain_.back()), 10) + "/s");
    }
    SLUICE_TRY(measure_bare_loop(1, bare_one_));
    SLUICE_TRY(measure_bare_loop(2, bare_two_));
  }
  return options_.baseline_only ? Status() : check_orders();
}

Status Comparison::measure_bare_loop(int connections, Samples& samples) {
  const auto rate =
      run_insert_loop({stack_->database(), "bare-" + std::to_string(bare_rows_),
                       kBareFirstOrderId + bare_rows_, options_.drain_rows, 1000, connections});
  if (!rate) return rate.error();
  bare_rows_ += options_.drain_rows;
  samples.push_back(*rate);
  say("  drain          bare INSERT x " + std::to_string(connections) + "     " +
      padded(with_commas(*rate), 10) + "/s");
  return {};
}

Status Comparison::check_orders() { return check_accepted(stack_->database(), accepted_); }

void Comparison::summarize() {
  for (const Contender contender : contenders_) {
    PurchaseRow row{contender, {}, {}};
    for (size_t shape = 0; shape < result_.shapes.size(); ++shape) {
      row.per_second.push_back(median(per_second_[{contender, shape}]));
      row.p99_ns.push_back(median(p99_ns_[{contender, shape}]));
    }
    result_.purchases.push_back(std::move(row));
  }
  if (!drain_.empty()) {
    result_.drains.push_back({"sluice-flusher --once, its start included", median(drain_)});
  }
  result_.drains.push_back({"bare INSERT, 1,000 rows each, 1 connection", median(bare_one_)});
  result_.drains.push_back({"bare INSERT, 1,000 rows each, 2 connections", median(bare_two_)});
  for (const auto& [item, orders] : accepted_) result_.orders += orders;
  result_.items = accepted_.size();
}

}  // namespace

Result<CompareResult> compare(const CompareOptions& options) { return Comparison(options).run(); }

double median(std::vector<double> values) {
  if (values.empty()) return 0;
  std::sort(values.begin(), values.end());
  const size_t middle = values.size() / 2;
  return values.size() % 2 == 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
}

}  // namespace sluice::bench
