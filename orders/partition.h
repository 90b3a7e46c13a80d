// Which writer a record belongs to.
//
// Purchases and cancels go by order id, so that a cancel stays behind its purchase, in runs of ids
// that follow each other, so that one hot item keeps all writers busy and each of them still fills
// whole pages of the orders table: writers that take turns row by row split each other's pages,
// which then are half empty. What concerns a whole item goes by item, so that its state ends as the
// last event says. Checkpoints depend on this function: changing it needs a new partitioning of
// every stored checkpoint, as changing batch.writers does.
#pragma once

#include <cstdint>

#include "journal/record.h"

namespace sluice::orders {

uint32_t writer_of(const journal::Record& record, uint32_t writers);

}  // namespace sluice::orders
