// Command and option names: ASCII, in any case, as Redis compares them: with strcasecmp(), to which
// a zero byte is the end. What it takes for BLOCK must be BLOCK to us.
#pragma once

#include <algorithm>
#include <string>
#include <string_view>

namespace sluice::resp {

constexpr char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }

inline std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = lower(c);
  return out;
}

// At least one of the two has no zero byte.
constexpr bool equals_ignoring_case(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) {
    const std::string_view longer = a.size() > b.size() ? a : b;
    const size_t end = std::min(a.size(), b.size());
    if (longer[end] != '\0') return false;
    a = a.substr(0, end);
    b = b.substr(0, end);
  }
  return std::equal(a.begin(), a.end(), b.begin(),
                    [](char x, char y) { return lower(x) == lower(y); });
}

}  // namespace sluice::resp
