#include "bench/text.h"

#include <cmath>
#include <cstdio>

namespace sluice::bench {

std::string with_commas(double value) {
  std::string digits = std::to_string(std::llround(std::fabs(value)));
  for (size_t at = digits.size(); at > 3;) {
    at -= 3;
    digits.insert(at, ",");
  }
  return value <= -0.5 ? "-" + digits : digits;
}

std::string latency_text(int64_t nanoseconds) {
  char text[32];
  const auto ns = static_cast<double>(nanoseconds);
  if (ns < 1e6) {
    std::snprintf(text, sizeof text, "%.0f us", ns / 1e3);
  } else if (ns < 1e9) {
    std::snprintf(text, sizeof text, "%.2f ms", ns / 1e6);
  } else {
    std::snprintf(text, sizeof text, "%.2f s", ns / 1e9);
  }
  return text;
}

std::string padded(const std::string& text, size_t width, bool right_aligned) {
  size_t columns = 0;  // of UTF-8 text: every byte that does not continue a character
  for (const char c : text) columns += (static_cast<unsigned char>(c) & 0xC0) != 0x80;
  if (columns >= width) return text;
  const std::string space(width - columns, ' ');
  return right_aligned ? space + text : text + space;
}

}  // namespace sluice::bench
