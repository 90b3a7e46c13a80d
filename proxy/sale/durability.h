// How far a shelf's orders have come: which are on disk, which are in MySQL.
//
// A trail holds (first order id of a batch, journal sequence of its last record) in rising order of
// both, for the batches that have not arrived yet. An order has arrived if it is older than the
// oldest batch on the trail. Bounded: a full trail merges neighbours, which can only make the
// answer more careful, never wrong. One thread: the shelf's owner.
#pragma once

#include <cstddef>
#include <cstdint>

#include "proxy/sale/queue.h"

namespace sluice::proxy::sale {

class Trail {
 public:
  // A batch's records end at `sequence`; its first order id is `first_order_id`, its lane sequence
  // `batch`.
  void add(uint64_t first_order_id, uint64_t sequence, uint64_t batch);
  // Everything up to and including `sequence` has arrived.
  void arrived(uint64_t sequence);

  bool has_arrived(uint64_t order_id) const {
    return pending_.empty() || order_id < pending_.front().first_order_id;
  }
  // Of the last batch that arrived, with every one before it.
  uint64_t last_lane_sequence() const { return last_lane_sequence_; }
  void set_last_lane_sequence(uint64_t sequence) { last_lane_sequence_ = sequence; }

 private:
  struct Entry {
    uint64_t first_order_id, sequence, batch;
  };
  static constexpr size_t kEntriesMax = 512;

  Queue<Entry> pending_;
  uint64_t last_lane_sequence_ = 0;
};

}  // namespace sluice::proxy::sale
