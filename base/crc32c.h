// CRC32C (Castagnoli, RFC 3720 appendix B.4), computed by ISA-L with the CPU's instructions where
// there are any.
#pragma once

#include <cstdint>
#include <string_view>

namespace sluice::base {

// The CRC of `bytes` put behind whatever `seed` is the CRC of (0: of nothing), so that
// crc32c(b, crc32c(a)) == crc32c(a + b). crc32c("123456789") == 0xE3069283.
uint32_t crc32c(std::string_view bytes, uint32_t seed = 0);

}  // namespace sluice::base
