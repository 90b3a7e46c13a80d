#include "flusher/retention.h"

#include <algorithm>

namespace sluice::flusher {

using journal::Record;
using journal::RecordType;

void Retention::observe(const Record& record, uint64_t segment) {
  int64_t& newest_ms = dates_[segment].newest_ms;
  newest_ms = std::max(newest_ms, record.time_ms);
  const auto found = items_.find(std::string(record.item));
  switch (record.type) {
    case RecordType::kCreate:
      items_.try_emplace(std::string(record.item), Item{record.sequence, record.end_ms, 0});
      break;
    case RecordType::kReopen:
      // Its earlier records may be gone; those since are needed again.
      if (found == items_.end()) items_.emplace(record.item, Item{record.sequence, 0, 0});
      if (found != items_.end()) found->second.closed_ms = 0;
      break;
    case RecordType::kClose:
      if (found != items_.end()) found->second.closed_ms = record.time_ms;
      break;
    // Without its CREATE in the folder, an item was done when that was deleted.
    case RecordType::kRestock:
    case RecordType::kBuy:
    case RecordType::kCancel:
      break;
  }
}

// Since when nobody can buy the item any more; INT64_MAX: somebody can.
int64_t Retention::done_ms(const Item& item, int64_t now_ms) {
  int64_t since = INT64_MAX;
  if (item.closed_ms != 0) since = item.closed_ms;
  if (item.end_ms != 0 && item.end_ms <= now_ms) since = std::min(since, item.end_ms);
  return since;
}

size_t Retention::deletable(std::span<const journal::SegmentSummary> segments, uint64_t position,
                            int64_t now_ms, int64_t retain_ms) {
  const auto passed = [&](int64_t since_ms) { return since_ms <= now_ms - retain_ms; };
  uint64_t needed_from = position;  // the first sequence that anything still needs
  for (const auto& [name, item] : items_) {
    const int64_t since_ms = done_ms(item, now_ms);
    if (since_ms == INT64_MAX || !passed(since_ms)) {
      needed_from = std::min(needed_from, item.first_sequence);
    }
  }
  size_t count = 0;
  bool oldest_so_far = true;
  for (size_t i = 0; i + 1 < segments.size(); ++i) {
    const uint64_t end = segments[i + 1].first_sequence;
    if (end > position) break;
    Dates& dates = dates_[segments[i].number];
    if (!dates.drained) dates.drained_ms = started_ ? now_ms : 0;
    dates.drained = true;
    oldest_so_far =
        oldest_so_far && end <= needed_from && passed(std::max(dates.newest_ms, dates.drained_ms));
    if (oldest_so_far) count = i + 1;
  }
  started_ = true;
  return count;
}

void Retention::removed_below(const journal::SegmentSummary& oldest) {
  dates_.erase(dates_.begin(), dates_.lower_bound(oldest.number));
  std::erase_if(items_, [&](const auto& entry) {
    const Item& item = entry.second;
    const bool done = item.closed_ms != 0 || item.end_ms != 0;
    return done && item.first_sequence < oldest.first_sequence;
  });
}

}  // namespace sluice::flusher
