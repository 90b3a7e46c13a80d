#include "proxy/front/glob.h"

#include <utility>

#include "resp/names.h"

namespace sluice::proxy::front {
namespace {

template <bool kAnyCase>
constexpr char fold(char c) {
  return kAnyCase ? resp::lower(c) : c;
}

// A class "[...]" whose first byte inside is at `p`. Moves `p` behind it; as in Redis, one that is
// not closed ends with the pattern, and ranges compare plain (signed) chars.
template <bool kAnyCase>
bool class_matches(std::string_view pattern, size_t& p, char c) {
  c = fold<kAnyCase>(c);
  const bool negated = p < pattern.size() && pattern[p] == '^';
  if (negated) ++p;
  bool found = false;
  for (; p < pattern.size() && pattern[p] != ']'; ++p) {
    const size_t left = pattern.size() - p;
    if (left >= 2 && pattern[p] == '\\') {
      found = found || pattern[++p] == c;
    } else if (left >= 3 && pattern[p + 1] == '-') {
      char low = fold<kAnyCase>(pattern[p]), high = fold<kAnyCase>(pattern[p + 2]);
      if (low > high) std::swap(low, high);
      found = found || (c >= low && c <= high);
      p += 2;
    } else {
      found = found || fold<kAnyCase>(pattern[p]) == c;
    }
  }
  if (p < pattern.size()) ++p;
  return found != negated;
}

// One element of the pattern that is not '*' against one byte; moves `p` behind the element.
template <bool kAnyCase>
bool element_matches(std::string_view pattern, size_t& p, char c) {
  const char head = pattern[p++];
  if (head == '?') return true;
  if (head == '[') return class_matches<kAnyCase>(pattern, p, c);
  const bool escaped = head == '\\' && p < pattern.size();
  const char literal = escaped ? pattern[p++] : head;
  return fold<kAnyCase>(literal) == fold<kAnyCase>(c);
}

// One point of return is enough: a later '*' never needs an earlier one to be tried again.
template <bool kAnyCase>
bool matches(std::string_view pattern, std::string_view text) {
  size_t p = 0, t = 0, star = std::string_view::npos, star_text = 0;
  while (t < text.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = ++p;
      star_text = t;
    } else if (p < pattern.size() && element_matches<kAnyCase>(pattern, p, text[t])) {
      ++t;
    } else if (star != std::string_view::npos) {
      p = star;
      t = ++star_text;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == '*') ++p;
  return p == pattern.size();
}

}  // namespace

bool glob_matches(std::string_view pattern, std::string_view text) {
  return matches<false>(pattern, text);
}

bool glob_matches_ignoring_case(std::string_view pattern, std::string_view text) {
  return matches<true>(pattern, text);
}

}  // namespace sluice::proxy::front
