// Where a server listens: "host:port", "[::1]:port" or the path of a unix socket.
#pragma once

#include <sys/socket.h>

#include <string>
#include <string_view>

#include "base/error.h"

namespace sluice::bench {

struct Address {
  std::string text;  // as the user wrote it
  sockaddr_storage storage{};
  socklen_t length = 0;

  const sockaddr* raw() const { return reinterpret_cast<const sockaddr*>(&storage); }
};

// Asks the resolver once, at the start of a run. kInvalid if malformed, kUnavailable if unknown.
Result<Address> resolve_address(std::string_view text);

// A loopback port that was free a moment ago; nothing reserves it.
Result<int> free_port();

}  // namespace sluice::bench
