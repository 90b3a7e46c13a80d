#include "proxy/sale/durability.h"

namespace sluice::proxy::sale {

void Trail::add(uint64_t first_order_id, uint64_t sequence, uint64_t batch) {
  pending_.push_back({first_order_id, sequence, batch});
  if (pending_.size() <= kEntriesMax) return;
  Queue<Entry> merged;
  for (size_t i = 0; i + 1 < pending_.size(); i += 2) {
    merged.push_back({pending_[i].first_order_id, pending_[i + 1].sequence, pending_[i + 1].batch});
  }
  if (pending_.size() % 2 == 1) merged.push_back(pending_.back());
  pending_.swap(merged);
}

void Trail::arrived(uint64_t sequence) {
  while (!pending_.empty() && pending_.front().sequence <= sequence) {
    last_lane_sequence_ = pending_.front().batch;
    pending_.pop_front();
  }
}

}  // namespace sluice::proxy::sale
