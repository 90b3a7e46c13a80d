// SET and GET through Sluice, RESP2 and RESP3, beside Redis asked directly and twemproxy.
#pragma once

#include <memory>

#include "bench/table/measure.h"

namespace sluice::bench::table {

std::unique_ptr<Measure> make_passthrough(const Effort& effort);

}  // namespace sluice::bench::table
