// What a person can do about a failure that waiting alone may not cure.
#pragma once

#include <string>

#include "sql/failure.h"

namespace sluice::flusher {

// "; do this" or "".
std::string advice(const sql::Failure& failure);

}  // namespace sluice::flusher
