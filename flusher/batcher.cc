#include "flusher/batcher.h"

#include <algorithm>

#include "orders/partition.h"

namespace sluice::flusher {

Batcher::Batcher(const WriterContext& context, const BatchOptions& options,
                 std::span<const uint64_t> positions)
    : options_(options) {
  for (const uint64_t position : positions) {
    const auto index = static_cast<uint32_t>(lanes_.size());
    lanes_.push_back({std::make_unique<Batch>(), position,
                      std::make_unique<MysqlWriter>(context, index, position)});
  }
}

bool Batcher::complete(const Batch& batch) const {
  return batch.records().size() >= static_cast<size_t>(options_.rows) ||
         batch.bytes() >= static_cast<size_t>(options_.bytes);
}

size_t Batcher::add(std::span<const journal::Record> records) {
  for (size_t i = 0; i < records.size(); ++i) {
    const journal::Record& record = records[i];
    Lane& lane = lanes_[orders::writer_of(record, writers())];
    if (record.sequence >= lane.closed_at) {
      // Closed only when the next record of this lane is here: then what lies between is covered
      // too.
      if (complete(*lane.open) && !push(lane, record.sequence)) return i;
      lane.open->add(record);
    }
    fingerprint_ = record.fingerprint;
  }
  return records.size();
}

bool Batcher::flush(uint64_t end) {
  bool all = true;
  for (Lane& lane : lanes_) {
    if (lane.closed_at < end && !push(lane, end)) all = false;
  }
  return all;
}

bool Batcher::push(Lane& lane, uint64_t end) {
  if (lane.writer->full()) return false;
  lane.open->end = end;
  lane.open->fingerprint = fingerprint_;
  lane.closed_at = end;
  lane.writer->push(std::move(lane.open));
  lane.open = std::make_unique<Batch>();
  return true;
}

bool Batcher::idle() const {
  return std::all_of(lanes_.begin(), lanes_.end(),
                     [](const Lane& lane) { return lane.writer->idle(); });
}

std::vector<uint64_t> Batcher::positions() const {
  std::vector<uint64_t> positions;
  for (const Lane& lane : lanes_) positions.push_back(lane.writer->position());
  return positions;
}

uint64_t Batcher::position() const {
  uint64_t lowest = UINT64_MAX;
  for (const Lane& lane : lanes_) lowest = std::min(lowest, lane.writer->position());
  return lowest;
}

std::optional<int64_t> Batcher::oldest_ms() const {
  std::optional<int64_t> oldest;
  const auto take = [&](int64_t time_ms) { oldest = std::min(oldest.value_or(time_ms), time_ms); };
  for (const Lane& lane : lanes_) {
    if (const auto handed_on = lane.writer->oldest_ms()) take(*handed_on);
    if (!lane.open->records().empty()) take(lane.open->records().front().time_ms);
  }
  return oldest;
}

std::string Batcher::conflict() const {
  for (const Lane& lane : lanes_) {
    if (std::string found = lane.writer->conflict(); !found.empty()) return found;
  }
  return {};
}

bool Batcher::is_behind() const {
  return std::any_of(lanes_.begin(), lanes_.end(),
                     [](const Lane& lane) { return lane.writer->is_behind(); });
}

void Batcher::stop() {
  for (Lane& lane : lanes_) lane.writer->request_stop();
  for (Lane& lane : lanes_) lane.writer->stop();
}

}  // namespace sluice::flusher
