// Which writer a record belongs to.
//
// Purchases and cancels go by buyer (item and user), so that one hot item keeps all writers busy
// and a cancel stays behind its purchase; what concerns a whole item goes by item, so that its
// state ends as the last event says. Checkpoints depend on this function: changing it needs a new
// partitioning of every stored checkpoint, as changing batch.writers does.
#pragma once

#include <cstdint>

#include "journal/record.h"

namespace sluice::orders {

uint32_t writer_of(const journal::Record& record, uint32_t writers);

}  // namespace sluice::orders
