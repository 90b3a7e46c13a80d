#include "proxy/monitor/monitor.h"

#include <pthread.h>

#include <boost/json/serialize.hpp>
#include <chrono>

#include "base/clock.h"

namespace sluice::proxy::monitor {
namespace {

constexpr auto kInterval = std::chrono::seconds(1);
constexpr int64_t kRateSeconds = 3;  // in which purchases are "now"
constexpr int64_t kLatencyWindowUs = 10'000'000;
constexpr int64_t kWatchedForUs = 10'000'000;
constexpr double kUsPerSecond = 1e6;

uint64_t refused(const sale::SaleMetrics& metrics) {
  return metrics.soldout.value() + metrics.limit.value() + metrics.notstarted.value() +
         metrics.ended.value() + metrics.closed.value() + metrics.noitem.value() +
         metrics.error.value() + metrics.busy.value();
}

double p99_of(base::RecentQuantiles& recent, int64_t now_us) {
  const base::Quantiles found = recent.read(now_us);
  return found.count == 0 ? -1 : found.p99;
}

}  // namespace

Monitor::Monitor(MonitorOptions options, sale::Sale& sale, sale::Shared& shared,
                 const Health& health, sale::FlusherPort& flusher, DrainSource& drain,
                 ItemWatch::Ask ask)
    : options_(options),
      sale_(sale),
      shared_(shared),
      health_(health),
      flusher_(flusher),
      drain_(drain),
      items_(std::move(ask), drain),
      accept_(shared.metrics->purchase_seconds, kLatencyWindowUs),
      redis_(shared.metrics->redis_seconds, kLatencyWindowUs) {
  if (const base::Histogram* fsync = shared.journal->fsync_seconds())
    fsync_.emplace(*fsync, kLatencyWindowUs);
}

void Monitor::start(http::EventStream& events) {
  thread_ = std::thread([this, &events] { run(events); });
}

void Monitor::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void Monitor::run(http::EventStream& events) {
  ::pthread_setname_np(::pthread_self(), "monitor");
  auto next = std::chrono::steady_clock::now();
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    lock.unlock();
    const bool has_viewers = events.viewers() > 0;
    const int64_t looked_us = looked_us_.load();
    tick(has_viewers || (looked_us != 0 && base::monotonic_us() - looked_us < kWatchedForUs));
    if (has_viewers) events.publish(boost::json::serialize(describe()));
    next += kInterval;
    lock.lock();
    wake_.wait_until(lock, next, [this] { return stopping_; });
  }
}

void Monitor::tick(bool is_watched) {
  const Sample now = sample();
  samples_.add(now);
  const double seconds =
      ticked_us_ == 0 ? 1 : static_cast<double>(now.at_us - ticked_us_) / kUsPerSecond;
  ticked_us_ = now.at_us;
  const bool is_settled = shared_.lanes->alone() && now.backlog_rows == 0 &&
                          shared_.dead_letters.count() == 0 &&
                          shared_.drained_sequence.load() >= shared_.journal->written_sequence();
  items_.look(shared_.item_board.take(), seconds, is_watched, is_settled);
}

Sample Monitor::sample() {
  const sale::SaleMetrics& metrics = *shared_.metrics;
  Sample now;
  now.time_ms = base::wall_ms();
  now.at_us = base::monotonic_us();
  now.accepted = metrics.accepted.value();
  now.refused = refused(metrics);
  now.busy = metrics.busy.value();
  now.drained = shared_.drained_sequence.load();
  now.written = shared_.journal->written_sequence();
  now.backlog_rows = flusher_.report().backlog_records;
  now.accept_p99_s = p99_of(accept_, now.at_us);
  now.redis_p99_s = p99_of(redis_, now.at_us);
  if (fsync_) now.fsync_p99_s = p99_of(*fsync_, now.at_us);
  return now;
}

Banner Monitor::banner(const std::vector<WatchedItem>& items) const {
  const Rates rates = samples_.rates(kRateSeconds);
  const sale::DrainReport drain = flusher_.report();
  Situation now;
  for (const Obstacle& obstacle : health_.obstacles()) {
    if (obstacle.cause == Cause::kPaused) {
      now.intake_paused = true;
    } else if (now.obstacle.empty()) {
      now.obstacle = obstacle.text;
    }
  }
  now.accepted_per_s = rates.accepted;
  now.busy_per_s = rates.busy;
  now.oversold = shared_.metrics->oversell.value();
  for (const WatchedItem& item : items) {
    if (item.guard == "OVERSOLD") now.oversold_item = item.name;
  }
  now.has_flusher = drain_.is_configured();
  now.drain_state = drain.state;
  now.drain_reason = drain.reason;
  now.drain_trouble = drain.trouble;
  now.backlog_rows = drain.backlog_records;
  return judge(now);
}

std::string Monitor::status() {
  looked_us_.store(base::monotonic_us());
  return boost::json::serialize(describe());
}

std::string Monitor::history() const { return boost::json::serialize(samples_.history()); }

}  // namespace sluice::proxy::monitor
