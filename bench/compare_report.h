// The side-by-side table, for a person and for a program.
#pragma once

#include <string>

#include "bench/compare.h"

namespace sluice::bench {

std::string compare_text(const CompareResult& result);
std::string compare_json(const CompareResult& result);

}  // namespace sluice::bench
