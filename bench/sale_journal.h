// Writes the journal of a sale that never was, as fast as the journal takes it: what a proxy with
// proxy.id 0 would have written.
#pragma once

#include <cstdint>
#include <string>

#include "base/error.h"

namespace sluice::bench {

struct SaleJournalOptions {
  std::string dir;
  uint32_t items = 1;      // CREATEs, which come first
  uint64_t purchases = 0;  // spread over the items, each of a buyer of its own, with REQ and FIELDS
};

// Stops in an orderly way. The last sequence is items + purchases.
Status write_sale_journal(const SaleJournalOptions& options);

}  // namespace sluice::bench
