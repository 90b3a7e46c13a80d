// Phrases that the findings and the report of reconcile share.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace sluice::ctl {

inline std::string plural(uint64_t n, std::string_view noun) {
  return std::to_string(n) + " " + std::string(noun) + (n == 1 ? "" : "s");
}

inline std::string is_not(std::string_view name, int64_t found, int64_t expected) {
  return std::string(name) + " is " + std::to_string(found) + ", the journal says " +
         std::to_string(expected);
}

}  // namespace sluice::ctl
