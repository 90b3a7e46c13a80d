// Redis's glob match, for users' key and channel patterns and for CONFIG GET. No allocation.
#pragma once

#include <string_view>

namespace sluice::proxy::front {

// '*', '?', '[a-z]', '[^…]' and '\' before a literal, as stringmatchlen() in Redis's util.c reads
// them. Takes at most |pattern| · |text| steps whatever the pattern.
bool glob_matches(std::string_view pattern, std::string_view text);
// The same, with ASCII letters in any case.
bool glob_matches_ignoring_case(std::string_view pattern, std::string_view text);

}  // namespace sluice::proxy::front
