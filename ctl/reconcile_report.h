// The result of a comparison, as a table for people and as JSON for machines.
#pragma once

#include <string>
#include <vector>

#include "ctl/comparison.h"

namespace sluice::ctl {

// What a --fix has done.
struct FixReport {
  bool tried = false;
  uint64_t orders = 0;                   // put right in MySQL
  uint64_t without_fields = 0;           // of these: from a snapshot, which keeps no FIELDS
  std::vector<std::string> items;        // whose row in MySQL was put right
  std::vector<std::string> rebuilt;      // by the proxies, in Redis
  std::vector<std::string> not_rebuilt;  // that they were asked to rebuild, and have not yet
  std::vector<std::string> refused;      // what MySQL refused, with its reason
};

// One row an item, as the journal has it; below those that differ, what Redis and MySQL have
// instead, and each difference in words. Ends with a line of sums.
std::string table_text(const Comparison& comparison, const FixReport& fix);

// One object, on one line: {"items": […], "retired": […], "journals_not_given": […], "fix": {…},
// "summary": {…}}. Order ids are strings.
std::string json_text(const Comparison& comparison, const FixReport& fix);

}  // namespace sluice::ctl
