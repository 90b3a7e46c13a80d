// Times of the tests that bring a clock of their own.
#pragma once

#include <cstdint>

namespace sluice::flusher {

inline constexpr int64_t kSecondUs = 1'000'000;

}  // namespace sluice::flusher
