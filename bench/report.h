// The result of one run, for a person (text) and for a program (one JSON object).
#pragma once

#include <cstdint>
#include <string>

#include "bench/load.h"

namespace sluice::bench {

struct SaleFacts {
  std::string scenario;     // "sale", "diy", "get", "set"
  std::string target;       // address and what else identifies the run
  uint64_t orders = 0;      // distinct purchases accepted
  uint64_t mismatched = 0;  // repeats of a REQ that got another order_id
  int64_t stock = -1;       // given to the item; -1: not known
  int64_t sold = -1;        // what the server says afterwards; -1: not known
};

std::string report_text(const SaleFacts& facts, const LoadResult& result);
std::string report_json(const SaleFacts& facts, const LoadResult& result);

}  // namespace sluice::bench
