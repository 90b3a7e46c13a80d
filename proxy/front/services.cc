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
  failed_handshakes = &registry.counter("sluice_tls_handshakes_failed_total",
                                        "TLS handshakes of clients that failed or took too long.");
  registry.computed("sluice_connected_clients", "Clients connected now.",
                    [this] { return static_cast<double>(clients.count()); });
  registry.computed("sluice_pinned_connections",
                    "Connections to Redis that one client has to itself, and idle ones kept.",
                    [this] { return static_cast<double>(pinned_open.load()); });
}

}  // namespace sluice::proxy::front
