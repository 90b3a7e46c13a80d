// A command as its words, and how one of them is compared with a word of Redis's.
#pragma once

#include <span>
#include <string_view>

#include "resp/names.h"

namespace sluice::proxy::front {

using Args = std::span<const std::string_view>;

// In any case, as Redis takes it.
inline bool is(std::string_view arg, std::string_view word) {
  return resp::equals_ignoring_case(arg, word);
}

}  // namespace sluice::proxy::front
