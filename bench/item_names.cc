#include "bench/item_names.h"

#include <cinttypes>
#include <cstdio>

namespace sluice::bench {
namespace {

constexpr size_t kDigits = 4;

}  // namespace

std::vector<std::string> item_names(const std::string& name, uint32_t items) {
  if (items == 1) return {name};
  std::vector<std::string> names;
  char number[16];
  for (uint32_t i = 0; i < items; ++i) {
    std::snprintf(number, sizeof number, "-%0*" PRIu32, static_cast<int>(kDigits), i);
    names.push_back(name + number);
  }
  return names;
}

std::string item_pattern(const std::string& name, uint32_t items, char mark) {
  return items == 1 ? name : name + "-" + std::string(kDigits, mark);
}

}  // namespace sluice::bench
