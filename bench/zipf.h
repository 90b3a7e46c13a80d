// Numbers 0 … n-1 as popularity has it: number k is drawn in proportion to 1 / (k + 1)^exponent.
//
// Draw `index` is always the same number, as a workload must encode the same request twice. One
// table lookup a draw: Walker's alias method (Vose, IEEE Trans. Softw. Eng. 17(9), 1991).
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace sluice::bench {

class Zipf {
 public:
  // `n` at least 1; exponent 0 is uniform, 0.99 is what YCSB uses.
  Zipf(size_t n, double exponent);

  size_t at(uint64_t index) const;

 private:
  struct Slot {
    double keep;  // below it: this number; above: the alias
    size_t alias;
  };
  std::vector<Slot> slots_;
};

}  // namespace sluice::bench
