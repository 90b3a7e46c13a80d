// Refusals a second once an item is sold out, and what they are worth: refused is not accepted.
#pragma once

#include <memory>

#include "bench/table/measure.h"

namespace sluice::bench::table {

std::unique_ptr<Measure> make_refusals(const Effort& effort);

}  // namespace sluice::bench::table
