// CPU per purchase as more of them are in flight: it must fall.
#pragma once

#include <memory>

#include "bench/table/measure.h"

namespace sluice::bench::table {

std::unique_ptr<Measure> make_load_growth(const Effort& effort);

}  // namespace sluice::bench::table
