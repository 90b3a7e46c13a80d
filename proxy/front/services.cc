#include "proxy/front/services.h"

#include <map>
#include <string>

namespace sluice::proxy::front {

void Services::register_metrics(base::Registry& registry) {
  std::map<std::string_view, base::Counter*> by_name;
  for (size_t i = 0; i < commands.size(); ++i) {
    const std::string_view name = describe(static_cast<CommandKind>(i));
    base::Counter*& counter = by_name[name];
    if (counter == nullptr) {
      counter = &registry.counter("sluice_commands_total", "Commands received, by what they need.",
                                  "kind=\"" + std::string(name) + "\"");
    }
    commands[i] = counter;
  }
  if (users != nullptr) users->throttle().register_metrics(registry);
  for (size_t i = 0; i < cuts.size(); ++i) {
    const std::string_view reason = label(static_cast<CutReason>(i));
    cuts[i] = &registry.counter("sluice_clients_cut_total", "Clients cut off, by the limit.",
                                "reason=\"" + std::string(reason) + "\"");
  }
  registry.computed("sluice_client_memory_bytes", "Memory that the buffers of all clients take.",
                    [this] { return static_cast<double>(memory.held_bytes()); });
  failed_handshakes = &registry.counter("sluice_tls_handshakes_failed_total",
                                        "TLS handshakes of clients that failed or took too long.");
  registry.computed("sluice_connected_clients", "Clients connected now.",
                    [this] { return static_cast<double>(clients.count()); });
  registry.computed("sluice_pinned_connections",
                    "Connections to Redis that one client has to itself, and idle ones kept.",
                    [this] { return static_cast<double>(pinned_open.load()); });
}

bool Services::may_log_cut(int64_t now_us) {
  constexpr int64_t kEveryUs = 100'000;
  int64_t last_us = cut_logged_us.load(std::memory_order_relaxed);
  return now_us - last_us >= kEveryUs && cut_logged_us.compare_exchange_strong(last_us, now_us);
}

}  // namespace sluice::proxy::front
