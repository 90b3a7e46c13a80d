#include "base/crc32c.h"

#include <isa-l/crc.h>

namespace sluice::base {

uint32_t crc32c(std::string_view bytes, uint32_t seed) {
  // crc32_iscsi takes an int length and does neither of the two inversions of the standard.
  constexpr size_t kStep = size_t{1} << 30;
  uint32_t crc = ~seed;
  while (!bytes.empty()) {
    const std::string_view step = bytes.substr(0, kStep);
    // It only reads; its prototype predates const.
    auto* data = reinterpret_cast<unsigned char*>(const_cast<char*>(step.data()));
    crc = crc32_iscsi(data, static_cast<int>(step.size()), crc);
    bytes.remove_prefix(step.size());
  }
  return ~crc;
}

}  // namespace sluice::base
