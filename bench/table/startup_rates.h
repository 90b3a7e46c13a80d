// How fast a proxy with a long undrained journal is ready, and refills an empty Redis.
#pragma once

#include <memory>

#include "bench/table/measure.h"

namespace sluice::bench::table {

std::unique_ptr<Measure> make_startup_rates(const Effort& effort);

}  // namespace sluice::bench::table
