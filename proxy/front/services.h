// What every session uses and none owns: wired by main.cc, outlives the server.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>

#include "base/metrics.h"
#include "proxy/front/clients.h"
#include "proxy/front/command_table.h"
#include "proxy/front/limits.h"
#include "proxy/front/live_config.h"
#include "proxy/sale/purchase_flow.h"
#include "proxy/upstream/endpoint.h"

namespace sluice::proxy::front {

struct Services {
  const upstream::Endpoint& redis;
  const Limits& limits;
  Clients& clients;
  LiveConfig& config;
  sale::PurchaseFlow& flow;
  // By describe(kind); filled by register_metrics().
  std::array<base::Counter*, static_cast<size_t>(CommandKind::kHttp) + 1> commands{};
  std::atomic<int64_t> pinned_open{0};  // of all threads
  base::Counter* failed_handshakes = nullptr;  // filled by register_metrics()

  void register_metrics(base::Registry& registry);
  void count(CommandKind kind, uint64_t n) {
    if (base::Counter* counter = commands[static_cast<size_t>(kind)]) counter->add(n);
  }
  void count_failed_handshake() {
    if (failed_handshakes != nullptr) failed_handshakes->add(1);
  }
};

}  // namespace sluice::proxy::front
