// What the configuration says of the sale, in the sale's own terms.
#pragma once

#include "proxy/options.h"
#include "proxy/sale/sale_setup.h"

namespace sluice::proxy {

sale::Settings sale_settings(const Options& options);

}  // namespace sluice::proxy
