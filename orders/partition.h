// Which writer a record belongs to.
//
// What becomes of an order goes by its id, so that a cancel stays behind its purchase, in runs of
// ids that follow each other, so that one hot item keeps all writers busy and each of them still
// fills whole pages of the orders table: writers that take turns row by row split each other's
// pages, which then are half empty. What concerns a whole item goes by item, so that its state ends
// as the last event says. Checkpoints depend on this function: whoever changes it counts
// kPartitioning up, so that no flusher goes on in the midst of what was begun with another one.
#pragma once

#include <cstdint>

#include "journal/record.h"

namespace sluice::orders {

uint32_t writer_of(const journal::Record& record, uint32_t writers);

// 0 was: by buyer.
constexpr uint32_t kPartitioning = 1;
// More than there can be writers.
constexpr uint32_t kPartitioningStep = 1000;

// What sluice_checkpoint.writers holds: how many there are, and in the thousands which writer_of().
constexpr uint32_t stored_writers(uint32_t writers) {
  return kPartitioning * kPartitioningStep + writers;
}

}  // namespace sluice::orders
