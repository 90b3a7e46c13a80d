// A thousand items, some hot and most cold, beside the single hot one.
#pragma once

#include <memory>

#include "bench/table/measure.h"

namespace sluice::bench::table {

std::unique_ptr<Measure> make_many_items(const Effort& effort);

}  // namespace sluice::bench::table
