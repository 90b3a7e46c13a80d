#include "proxy/monitor/samples.h"

#include <boost/json/array.hpp>
#include <cmath>

namespace sluice::proxy::monitor {
namespace {

namespace json = boost::json;

constexpr double kUsPerSecond = 1e6;

// A counter of another process may begin anew.
double difference(uint64_t to, uint64_t from) {
  return to < from ? 0 : static_cast<double>(to - from);
}

json::value known(double number) { return number < 0 ? json::value() : json::value(number); }

// Whole numbers are shorter, and nobody reads more of a rate.
int64_t per_second(uint64_t to, uint64_t from, double seconds) {
  return std::llround(difference(to, from) / seconds);
}

}  // namespace

void Samples::add(const Sample& sample) {
  const std::lock_guard lock(mutex_);
  samples_.push_back(sample);
  if (samples_.size() > kMax) samples_.pop_front();
}

Samples::Span Samples::span(int64_t seconds) const {
  const std::lock_guard lock(mutex_);
  if (samples_.size() < 2) return {};
  const auto back = std::min<size_t>(static_cast<size_t>(seconds), samples_.size() - 1);
  const Sample &to = samples_.back(), &from = samples_[samples_.size() - 1 - back];
  return {from, to, static_cast<double>(to.at_us - from.at_us) / kUsPerSecond};
}

Rates Samples::rates(int64_t seconds) const {
  const Span of = span(seconds);
  if (of.seconds <= 0) return {};
  return {difference(of.to.accepted, of.from.accepted) / of.seconds,
          difference(of.to.refused, of.from.refused) / of.seconds,
          difference(of.to.busy, of.from.busy) / of.seconds,
          difference(of.to.drained, of.from.drained) / of.seconds,
          difference(of.to.written, of.from.written) / of.seconds};
}

json::object Samples::history() const {
  json::array time, accepted, refused, drained, backlog, accept, redis, fsync;
  const std::lock_guard lock(mutex_);
  for (size_t i = 1; i < samples_.size(); ++i) {
    const Sample &from = samples_[i - 1], &to = samples_[i];
    const double seconds = static_cast<double>(to.at_us - from.at_us) / kUsPerSecond;
    if (seconds <= 0) continue;
    time.push_back(to.time_ms);
    accepted.push_back(per_second(to.accepted, from.accepted, seconds));
    refused.push_back(per_second(to.refused, from.refused, seconds));
    drained.push_back(per_second(to.drained, from.drained, seconds));
    backlog.push_back(to.backlog_rows < 0 ? json::value() : json::value(to.backlog_rows));
    accept.push_back(known(to.accept_p99_s));
    redis.push_back(known(to.redis_p99_s));
    fsync.push_back(known(to.fsync_p99_s));
  }
  return {{"time_ms", std::move(time)},
          {"accepted_per_second", std::move(accepted)},
          {"refused_per_second", std::move(refused)},
          {"drained_per_second", std::move(drained)},
          {"backlog_rows", std::move(backlog)},
          {"accept_p99_seconds", std::move(accept)},
          {"redis_p99_seconds", std::move(redis)},
          {"fsync_p99_seconds", std::move(fsync)}};
}

}  // namespace sluice::proxy::monitor
