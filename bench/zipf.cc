#include "bench/zipf.h"

#include <cmath>

namespace sluice::bench {
namespace {

// SplitMix64: every index gives bits that look random (Steele, Lea, Flood, OOPSLA 2014).
uint64_t mixed(uint64_t index) {
  uint64_t z = (index + 1) * 0x9E3779B97F4A7C15;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
  return z ^ (z >> 31);
}

}  // namespace

Zipf::Zipf(size_t n, double exponent) : slots_(n) {
  double sum = 0;
  for (size_t k = 0; k < n; ++k) sum += std::pow(static_cast<double>(k + 1), -exponent);
  std::vector<size_t> small, large;
  for (size_t k = 0; k < n; ++k) {
    const double share = std::pow(static_cast<double>(k + 1), -exponent) / sum;
    slots_[k] = {share * static_cast<double>(n), k};
    (slots_[k].keep < 1 ? small : large).push_back(k);
  }
  while (!small.empty() && !large.empty()) {
    const size_t poor = small.back();
    const size_t rich = large.back();
    small.pop_back();
    slots_[poor].alias = rich;
    slots_[rich].keep -= 1 - slots_[poor].keep;
    if (slots_[rich].keep >= 1) continue;
    large.pop_back();
    small.push_back(rich);
  }
  // Whatever is left should be exactly 1 and misses it by rounding.
  for (const size_t k : small) slots_[k].keep = 1;
  for (const size_t k : large) slots_[k].keep = 1;
}

size_t Zipf::at(uint64_t index) const {
  const uint64_t bits = mixed(index);
  const auto slot = static_cast<size_t>((bits >> 32) * slots_.size() >> 32);
  const double coin = static_cast<double>(bits & 0xFFFFFFFF) * 0x1p-32;
  return coin < slots_[slot].keep ? slot : slots_[slot].alias;
}

}  // namespace sluice::bench
