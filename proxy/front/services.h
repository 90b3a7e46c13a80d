// What every session uses and none owns: wired by main.cc, outlives the server.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>

#include "base/metrics.h"
#include "proxy/front/clients.h"
#include "proxy/front/command_table.h"
#include "proxy/front/cut_reason.h"
#include "proxy/front/limits.h"
#include "proxy/front/live_config.h"
#include "proxy/front/memory_budget.h"
#include "proxy/front/pause.h"
#include "proxy/front/script_cache.h"
#include "proxy/front/user_directory.h"
#include "proxy/sale/purchase_flow.h"
#include "proxy/upstream/endpoint.h"

namespace sluice::proxy::front {

struct Services {
  const upstream::Endpoint& redis;
  const Limits& limits;
  Clients& clients;
  LiveConfig& config;
  sale::PurchaseFlow& flow;
  UserDirectory* users = nullptr;  // null: everybody may do everything
  // By describe(kind); filled by register_metrics().
  std::array<base::Counter*, static_cast<size_t>(CommandKind::kHttp) + 1> commands{};
  std::atomic<int64_t> pinned_open{0};  // of all threads
  Pause pause;
  ScriptCache scripts{static_cast<size_t>(limits.script_cache_bytes)};
  MemoryBudget memory{limits.memory_bytes, clients};
  std::array<base::Counter*, kCutReasons> cuts{};  // filled by register_metrics()
  std::atomic<int64_t> cut_logged_us{0};
  base::Counter* failed_handshakes = nullptr;  // filled by register_metrics()

  void register_metrics(base::Registry& registry);
  void count(CommandKind kind, uint64_t n) {
    if (base::Counter* counter = commands[static_cast<size_t>(kind)]) counter->add(n);
  }
  void count(CutReason reason) {
    if (base::Counter* counter = cuts[static_cast<size_t>(reason)]) counter->add(1);
  }
  // Ten lines a second at most: who can make the proxy cut clients must not fill its disk.
  bool may_log_cut(int64_t now_us);
  void count_failed_handshake() {
    if (failed_handshakes != nullptr) failed_handshakes->add(1);
  }
};

}  // namespace sluice::proxy::front
