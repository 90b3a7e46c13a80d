// What the rounds of one figure gave.
#pragma once

#include <vector>

namespace sluice::bench {

double median(std::vector<double> values);  // 0 of none

class Samples {
 public:
  void add(double value) { values_.push_back(value); }
  bool empty() const { return values_.empty(); }
  double median() const { return bench::median(values_); }

 private:
  std::vector<double> values_;
};

}  // namespace sluice::bench
