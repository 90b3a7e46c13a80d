#include "base/crc64.h"

#include <isa-l/crc64.h>

namespace sluice::base {

uint64_t crc64(std::string_view bytes, uint64_t before) {
  return crc64_ecma_refl(before, reinterpret_cast<const unsigned char*>(bytes.data()),
                         bytes.size());
}

}  // namespace sluice::base
