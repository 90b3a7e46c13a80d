#include "proxy/monitor/health.h"

#include <algorithm>
#include <cmath>

#include "base/clock.h"

namespace sluice::proxy::monitor {
namespace {

constexpr double kUsPerSecond = 1e6;

std::string_view intake_of(const std::vector<Obstacle>& obstacles) {
  if (obstacles.empty()) return "open";
  switch (obstacles.front().cause) {
    case Cause::kPaused:
      return "paused";
    case Cause::kJournalFull:
      return "full";
    default:
      return "loading";
  }
}

}  // namespace

std::string_view cause_name(Cause cause) {
  switch (cause) {
    case Cause::kRedis:
      return "redis_unreachable";
    case Cause::kGate:
      return "gate";
    case Cause::kFlusher:
      return "refused_by_flusher";
    case Cause::kClock:
      return "clock";
    case Cause::kJournalFull:
      return "journal_full";
    case Cause::kPaused:
      return "paused";
  }
  return "";
}

std::vector<Obstacle> Health::obstacles() const {
  std::vector<Obstacle> found;
  if (!sale_.ready()) {
    const int64_t now_ms = base::wall_ms();
    const Cause cause = shared_.veto.stands()                   ? Cause::kFlusher
                        : !shared_.clock.is_good(now_ms)        ? Cause::kClock
                        : shared_.redis_connections.load() == 0 ? Cause::kRedis
                                                                : Cause::kGate;
    found.push_back({cause, sale_.why_not_ready()});
  }
  if (shared_.journal->full()) {
    const std::string why = shared_.journal->shortage();
    found.push_back({Cause::kJournalFull, why.empty() ? "the journal has no room for now" : why});
  }
  if (shared_.intake_paused.load()) {
    found.push_back({Cause::kPaused,
                     "the intake is paused by an operator; SECKILL.RESUME INTAKE or POST /resume"});
  }
  return found;
}

std::string Health::text() const {
  std::string text;
  for (const Obstacle& obstacle : obstacles()) text += (text.empty() ? "" : "; ") + obstacle.text;
  return text;
}

bool Health::is_hindered(Cause cause) const {
  const auto found = obstacles();
  return std::any_of(found.begin(), found.end(),
                     [cause](const Obstacle& obstacle) { return obstacle.cause == cause; });
}

void Health::register_states(base::Registry& registry) const {
  for (const Cause cause : kCauses) {
    registry.computed(
        "sluice_blocked", "1 if this keeps the proxy or its flusher from their work, else 0.",
        [this, cause] { return is_hindered(cause) ? 1.0 : 0.0; }, false,
        "lane=\"" + shared_.lane + "\",reason=\"" + std::string(cause_name(cause)) + "\"");
  }
  for (const std::string_view state : {"open", "loading", "full", "paused"}) {
    registry.computed(
        "sluice_intake_state", "1 for the state that the intake of purchases is in, else 0.",
        [this, state] { return intake_of(obstacles()) == state ? 1.0 : 0.0; }, false,
        "state=\"" + std::string(state) + "\"");
  }
}

void Health::register_metrics(base::Registry& registry) const {
  register_states(registry);
  registry.computed("sluice_redis_reachable", "1 if the sale is connected to Redis.",
                    [this] { return shared_.redis_connections.load() > 0 ? 1.0 : 0.0; });
  registry.computed(
      "sluice_oversold_items",
      "Items of which less than nothing was left when they were last sold or asked for.",
      [this] { return static_cast<double>(shared_.oversold_items.load()); });
  registry.computed("sluice_journal_full", "1 if the journal has no room for a purchase.",
                    [this] { return shared_.journal->full() ? 1.0 : 0.0; });
  registry.computed(
      "sluice_journal_commit_age_seconds",
      "How long the journal has been at the commit under way; 0: there is none.",
      [this] { return static_cast<double>(shared_.journal->busy_us()) / kUsPerSecond; });
  registry.computed("sluice_journal_disk_free_bytes", "What is left of the disk of the journal.",
                    [this] {
                      const auto bytes = shared_.files->free_bytes(shared_.journal_dir);
                      return bytes ? static_cast<double>(*bytes) : std::nan("");
                    });
}

}  // namespace sluice::proxy::monitor
