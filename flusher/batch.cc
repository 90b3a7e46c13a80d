#include "flusher/batch.h"

#include <cstring>

namespace sluice::flusher {
namespace {

// Room is taken for so many records at once, so that few are moved as the batch grows.
constexpr size_t kRecordsReserved = 1024;
// What a row costs in a statement besides its names and fields, roughly.
constexpr size_t kRowBytes = 100;

}  // namespace

std::string_view Batch::keep(std::string_view text) {
  if (text.empty()) return {};
  char* copy = static_cast<char*>(arena_.allocate(text.size(), 1));
  std::memcpy(copy, text.data(), text.size());
  bytes_ += text.size();
  return {copy, text.size()};
}

void Batch::add(const journal::Record& record) {
  journal::Record kept = record;
  const bool same_item = !records_.empty() && records_.back().item == record.item;
  kept.item = same_item ? records_.back().item : keep(record.item);
  kept.user = keep(record.user);
  kept.request = keep(record.request);
  kept.fields = keep(record.fields);
  bytes_ += kRowBytes;
  if (records_.empty()) records_.reserve(kRecordsReserved);
  records_.push_back(kept);
}

Part Batch::part(size_t begin, size_t count) const {
  const auto rest = std::span(records_).subspan(begin);
  if (count >= rest.size()) return {rest, end, fingerprint};
  const auto records = rest.first(count);
  return {records, records.back().sequence + 1, records.back().fingerprint};
}

}  // namespace sluice::flusher
