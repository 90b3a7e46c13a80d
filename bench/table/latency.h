// How much later a buyer has the answer than from Redis itself, and the tail under load.
#pragma once

#include <memory>

#include "bench/table/measure.h"

namespace sluice::bench::table {

std::unique_ptr<Measure> make_latency(const Effort& effort);

}  // namespace sluice::bench::table
