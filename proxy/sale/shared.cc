#include "proxy/sale/shared.h"

#include <random>

namespace sluice::proxy::sale {

std::string random_number() {
  std::random_device device;
  return std::to_string(uint64_t{device()} << 32 | device());
}

}  // namespace sluice::proxy::sale
