// Which Redis a connection leads to, and whether it can be sold on.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/error.h"

namespace sluice::proxy::sale {

struct Server {
  std::string version, role;
  std::string run_id, replication_id;
  int64_t time_ms = 0;  // by its clock; 0: it does not tell

  // Of its process and history: after a restart, and in a failover, it is another one.
  std::string process() const { return run_id + ":" + replication_id; }
};

// From the reply to INFO; `where`: the server's address. kUnavailable: not now (it loads, or is a
// replica). kRefused: never as it is configured.
Result<Server> check_server(std::string_view info, const std::string& where);

// kRefused: the sale there has another number of shelves than is configured here.
Error other_shelves(const std::string& where, std::string_view number, uint32_t configured);

}  // namespace sluice::proxy::sale
