// orders.* of flusher.toml, which both the flusher and sluice-ctl read.
#pragma once

#include <vector>

#include "base/config.h"
#include "base/error.h"
#include "orders/order_table.h"

namespace sluice::orders {

std::vector<base::ConfigKey> config_keys();

// kInvalid: names the key.
Result<OrderTable> order_table(const base::Config& config);

}  // namespace sluice::orders
