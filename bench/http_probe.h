// Asks an admin listener one question: is it ready?
#pragma once

#include <string>

namespace sluice::bench {

// Whether GET `path` at `address` (host:port) is answered with 200; false for any failure. Blocks
// for a second at most.
bool http_ok(const std::string& address, const std::string& path);

}  // namespace sluice::bench
