// Reads choices from a fuzzer's bytes, front to back, and ways to cut and copy them.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <random>
#include <string_view>
#include <vector>

#include "base/crc32c.h"

namespace sluice::fuzz {

// What is read behind the end is zero, so that every input is a whole one.
class Input {
 public:
  explicit Input(std::string_view bytes) : bytes_(bytes) {}

  bool empty() const { return bytes_.empty(); }
  template <class Number>
  Number number() {
    Number value{};
    const std::string_view from = bytes(sizeof value);
    if (!from.empty()) std::memcpy(&value, from.data(), from.size());
    return value;
  }
  // Of 0 .. count - 1.
  size_t choice(size_t count) { return number<uint8_t>() % count; }
  std::string_view bytes(size_t count) {
    const std::string_view taken = bytes_.substr(0, count);
    bytes_.remove_prefix(taken.size());
    return taken;
  }

 private:
  std::string_view bytes_;
};

// The same bytes in an allocation of exactly their size, where AddressSanitizer sees the first
// byte that is read beyond.
class ExactCopy {
 public:
  explicit ExactCopy(std::string_view bytes) : bytes_(bytes.begin(), bytes.end()) {}
  std::string_view view() const { return {bytes_.data(), bytes_.size()}; }

 private:
  const std::vector<char> bytes_;
};

// Sizes of pieces in which a stream arrives. Random ones follow from the stream alone: an input
// that failed fails again, and the kept inputs remain plain streams that a person can read.
class Pieces {
 public:
  enum class Cut { kWhole, kBytes, kRandom };

  Pieces(Cut cut, std::string_view stream) : cut_(cut), random_(base::crc32c(stream)) {}
  // 1 .. left; `left` is not 0.
  size_t next(size_t left) {
    if (cut_ == Cut::kWhole) return left;
    if (cut_ == Cut::kBytes) return 1;
    return std::min<size_t>(left, 1 + random_() % (random_() % 4 == 0 ? 64 : 4));
  }

 private:
  const Cut cut_;
  std::minstd_rand random_;
};

}  // namespace sluice::fuzz
