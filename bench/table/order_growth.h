// CPU per purchase as an item's orders grow: it must not.
#pragma once

#include <memory>

#include "bench/table/measure.h"

namespace sluice::bench::table {

std::unique_ptr<Measure> make_order_growth(const Effort& effort);

}  // namespace sluice::bench::table
