// Who buys in request number k, and under which REQ: shared by sale and diy, so that both sides of
// a comparison get the same load.
#pragma once

#include <cstdint>

namespace sluice::bench {

struct Ask {
  uint64_t buyer;
  uint64_t purchase;  // the buyer's how-manieth purchase: the same purchase has the same REQ
};

class Buyers {
 public:
  // `buyers` 0: every purchase is made by a new buyer, and its repeats follow one another at once.
  // Otherwise the buyers take turns, and a repeat comes a whole round later.
  Buyers(uint64_t buyers, uint64_t repeat) : buyers_(buyers), repeat_(repeat < 1 ? 1 : repeat) {}

  Ask ask(uint64_t index) const {
    if (buyers_ == 0) return {index / repeat_, 0};
    return {index % buyers_, index / buyers_ / repeat_};
  }
  // A number for each distinct purchase, dense from 0.
  uint64_t purchase_number(uint64_t index) const {
    const Ask a = ask(index);
    return buyers_ == 0 ? a.buyer : a.purchase * buyers_ + a.buyer;
  }
  uint64_t repeat() const { return repeat_; }
  // The requests after which every buyer has bought once and asked `repeat` times; 0: no end.
  uint64_t requests() const { return buyers_ * repeat_; }

 private:
  const uint64_t buyers_;
  const uint64_t repeat_;
};

}  // namespace sluice::bench
