// Times of the tests that bring a clock of their own.
#pragma once

#include <cstdint>

namespace sluice::flusher {

inline constexpr int64_t kSecondUs = 1'000'000;
inline constexpr int64_t kHourS = 3600;
inline constexpr int64_t kDayS = 24 * kHourS;

}  // namespace sluice::flusher
