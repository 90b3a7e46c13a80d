// CRC-64 (ECMA-182, reflected), which can be carried on: crc64(b, crc64(a)) is that of a and b.
#pragma once

#include <cstdint>
#include <string_view>

namespace sluice::base {

uint64_t crc64(std::string_view bytes, uint64_t before = 0);

}  // namespace sluice::base
