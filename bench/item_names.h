// The names of the items that a load buys, shared by sale and diy.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace sluice::bench {

// `name` itself if it is one, otherwise name-0000, name-0001 …; up to 9,999 of them.
std::vector<std::string> item_names(const std::string& name, uint32_t items);

// The same with marks instead of digits, for a RequestTemplate.
std::string item_pattern(const std::string& name, uint32_t items, char mark);

}  // namespace sluice::bench
