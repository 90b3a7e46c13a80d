// Figures as people read them.
#pragma once

#include <cstdint>
#include <string>

namespace sluice::bench {

std::string with_commas(double value);          // 41230.4 → "41,230"
std::string latency_text(int64_t nanoseconds);  // "850 us", "1.24 ms", "2.50 s"
// Pads to `width` display columns, on the left if `right_aligned`.
std::string padded(const std::string& text, size_t width, bool right_aligned = true);

}  // namespace sluice::bench
