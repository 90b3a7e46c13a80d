// Purchases a second by three shapes of load, everybody beside everybody; and what one costs.
#pragma once

#include <memory>

#include "bench/table/measure.h"

namespace sluice::bench::table {

std::unique_ptr<Measure> make_purchases(const Effort& effort);

}  // namespace sluice::bench::table
