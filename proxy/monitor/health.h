// What keeps the proxy from taking purchases, each cause told apart: for /readyz, the banner of the
// dashboard, the service manager, and for metrics whose values an alert can stand on.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/metrics.h"
#include "proxy/sale/sale.h"

namespace sluice::proxy::monitor {

enum class Cause {
  kRedis,    // it cannot be reached
  kGate,     // it can, and shelves are not open: a replay, another proxy, what Redis refuses
  kFlusher,  // which refuses the journal
  kClock,
  kJournalFull,  // or its disk
  kPaused,       // by an operator
};
inline constexpr Cause kCauses[] = {Cause::kRedis, Cause::kGate,        Cause::kFlusher,
                                    Cause::kClock, Cause::kJournalFull, Cause::kPaused};
std::string_view cause_name(Cause cause);

struct Obstacle {
  Cause cause;
  std::string text;  // for people
};

class Health {
 public:
  // All outlive it.
  Health(const sale::Sale& sale, const sale::Shared& shared) : sale_(sale), shared_(shared) {}

  // All that stands in the way now; empty: purchases are taken. Any thread.
  std::vector<Obstacle> obstacles() const;
  // The texts, with "; " between them.
  std::string text() const;
  // Gauges of all of it. It outlives the registry's readers.
  void register_metrics(base::Registry& registry) const;

 private:
  bool is_hindered(Cause cause) const;
  void register_states(base::Registry& registry) const;

  const sale::Sale& sale_;
  const sale::Shared& shared_;
};

}  // namespace sluice::proxy::monitor
