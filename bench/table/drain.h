// Rows a second into MySQL, beside loops that do nothing else.
#pragma once

#include <memory>

#include "bench/table/measure.h"

namespace sluice::bench::table {

std::unique_ptr<Measure> make_drain(const Effort& effort);

}  // namespace sluice::bench::table
