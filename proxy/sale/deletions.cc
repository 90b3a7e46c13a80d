#include "proxy/sale/deletions.h"

#include <algorithm>
#include <utility>

#include "base/clock.h"

namespace sluice::proxy::sale {
namespace {

constexpr int64_t kForgetUs = 600'000'000;

}  // namespace

bool Deletions::may_ask(Shelf& shelf, Operation& op) {
  const auto found = asked_.find(op.item);
  if (found == asked_.end()) return true;
  found->second.asked_us = base::monotonic_us();
  if (!is_drained(shelf, found->second)) return false;
  op.order_id = found->second.checksum;
  return true;
}

Verdict Deletions::to_confirm() const {
  const uint64_t written = shared_.journal->written_sequence();
  const uint64_t drained = shared_.drained_sequence.load(std::memory_order_relaxed);
  Verdict verdict;
  verdict.kind = Verdict::Kind::kToConfirm;
  verdict.numbers[0] =
      std::max<int64_t>(1, static_cast<int64_t>(written) - static_cast<int64_t>(drained));
  return verdict;
}

Verdict Deletions::answered(const Shelf& shelf, const Operation& op, Verdict verdict) {
  if (verdict.kind == Verdict::Kind::kToConfirm) {
    asked_[op.item] = {static_cast<uint64_t>(verdict.numbers[0]), shelf.lane_sequence(),
                       base::monotonic_us()};
    return to_confirm();
  }
  const bool others_follow = verdict.accepted() && verdict.numbers[0] == 0;
  const bool was_asked = !others_follow && asked_.erase(op.item) > 0;
  if (was_asked && verdict.kind == Verdict::Kind::kNotFound) {
    verdict.kind = Verdict::Kind::kAccepted;
    verdict.numbers[0] = 1;
  }
  return verdict;
}

void Deletions::forget_idle(ShelfMap& shelves) {
  const int64_t until_us = base::monotonic_us() - kForgetUs;
  std::erase_if(asked_, [&](const auto& entry) {
    return entry.second.asked_us < until_us && is_drained(shelves.of(entry.first), entry.second);
  });
}

bool Deletions::is_drained(Shelf& shelf, const Asked& asked) const {
  shelf.drained.arrived(shared_.drained_sequence.load(std::memory_order_relaxed));
  return shelf.drained.last_lane_sequence() >= asked.lane_sequence;
}

}  // namespace sluice::proxy::sale
