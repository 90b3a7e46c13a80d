// Quantities as people write them in a config file: "64MiB", "250ms", "5000/s".
//
// A quantity always carries its unit: a bare number is refused, because nobody can tell whether
// 10 was meant as seconds or milliseconds.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/error.h"

namespace sluice::base {

// Bytes of "0B", "512B", "64KiB", "64MiB", "8GiB", "1TiB" (binary), "64KB", "64MB", "8GB"
// (decimal).
Result<int64_t> parse_size(std::string_view text);
// "500us", "250ms", "10s", "5m", "24h", "7d" → microseconds.
Result<int64_t> parse_duration_us(std::string_view text);
// "500/s", "30000/m" → events a second (rounded down).
Result<int64_t> parse_rate_per_s(std::string_view text);
// A whole decimal number with an optional sign, nothing else around it, within int64.
Result<int64_t> parse_integer(std::string_view text);

// The shortest exact text that the parsers above read back to the same value.
std::string format_size(int64_t bytes);
std::string format_duration_us(int64_t us);
std::string format_rate_per_s(int64_t per_s);

}  // namespace sluice::base
