#include "journal/history.h"

#include <algorithm>
#include <deque>
#include <utility>

#include "journal/part.h"
#include "journal/snapshot.h"

namespace sluice::journal {
namespace {

// How often the parts that a manifest names may be gone before they can be opened: each time the
// flusher must have compacted once more in between.
constexpr int kOpensMax = 20;

class SnapshotThenTail final : public History {
 public:
  SnapshotThenTail(std::string dir, base::FileSystem& fs) : dir_(std::move(dir)), fs_(fs) {}

  // Reads the manifest and opens what it names; reading goes on at wanted_.
  Status begin();
  Result<std::optional<Group>> next() override;
  ShelfState shelf(uint32_t number) const override {
    return number < snapshot_.shelves.size() ? snapshot_.shelves[number] : ShelfState();
  }
  int64_t retired_ms() const override { return snapshot_.retired_ms; }

 private:
  Result<bool> open_parts();
  Result<std::optional<Group>> next_of_parts();
  Result<std::optional<Group>> next_of_tail();
  Result<bool> begin_again(const Error& failure);

  const std::string dir_;
  base::FileSystem& fs_;
  uint64_t wanted_ = 1;  // no record below it is handed out any more
  Snapshot snapshot_;
  std::deque<std::unique_ptr<PartReader>> parts_;  // not read to the end yet, oldest first
  std::unique_ptr<Reader> tail_;
};

Status SnapshotThenTail::begin() {
  tail_.reset();
  for (int i = 0; i < kOpensMax; ++i) {
    auto folder = load_folder(dir_, fs_);
    if (!folder) return folder.error();
    if (folder->segments.empty()) {
      return Error(ErrorClass::kNotFound, "no journal in " + dir_ + " yet");
    }
    snapshot_ = std::move(folder->snapshot).value_or(Snapshot());
    auto opened = open_parts();
    if (!opened) return opened.error();
    if (*opened) return {};
  }
  return Error(ErrorClass::kUnavailable,
               "the snapshot in " + dir_ + " is replaced faster than it can be read");
}

// All at once: parts that a newer manifest no longer names are deleted, but stay readable for who
// has them open. False: one is gone, so there is a newer manifest.
Result<bool> SnapshotThenTail::open_parts() {
  parts_.clear();
  for (const PartInfo& info : snapshot_.parts) {
    if (info.end_sequence <= wanted_) continue;
    auto part = PartReader::open(dir_, fs_, snapshot_.journal_id, info);
    if (part) {
      parts_.push_back(std::move(*part));
      continue;
    }
    if (part.error().cls() != ErrorClass::kNotFound) return part.error();
    auto now = load_snapshot(dir_, fs_);
    if (!now) return now.error();
    if (*now && (*now)->generation != snapshot_.generation) return false;
    return missing_part(dir_, info);
  }
  return true;
}

Result<std::optional<Group>> SnapshotThenTail::next() {
  for (;;) {
    if (!parts_.empty()) {
      auto group = next_of_parts();
      if (!group || *group) return group;
    }
    auto group = next_of_tail();
    if (group) return group;
    auto again = begin_again(group.error());
    if (!again) return again.error();
    if (!*again) return group;
  }
}

// nullopt: the parts are read to their end.
Result<std::optional<Group>> SnapshotThenTail::next_of_parts() {
  while (!parts_.empty()) {
    auto group = parts_.front()->next();
    if (!group) return group.error();
    if (!*group) {
      wanted_ = std::max(wanted_, parts_.front()->info().end_sequence);
      parts_.pop_front();
      continue;
    }
    std::erase_if((*group)->records, [this](const Record& record) {
      return record.sequence < wanted_ || !snapshot_.holds(record);
    });
    wanted_ = std::max(wanted_, (*group)->end_sequence);
    if (!(*group)->records.empty()) return group;
  }
  return std::optional<Group>();
}

Result<std::optional<Group>> SnapshotThenTail::next_of_tail() {
  if (!tail_) {
    auto reader = Reader::open(dir_, fs_, wanted_);
    if (!reader) return reader.error();
    tail_ = std::move(*reader);
  }
  auto group = tail_->next();
  if (group && *group) wanted_ = (*group)->end_sequence;
  return group;
}

// The segments could not be read on. If the janitor has deleted them meanwhile, the records are in
// a newer snapshot; true: reading goes on there.
Result<bool> SnapshotThenTail::begin_again(const Error& failure) {
  if (failure.cls() != ErrorClass::kNotFound && failure.cls() != ErrorClass::kCorrupt) return false;
  auto now = load_snapshot(dir_, fs_);
  if (!now) return now.error();
  if (!*now || (*now)->end_sequence <= wanted_) return false;
  if (Status begun = begin(); !begun) return begun.error();
  return true;
}

}  // namespace

Result<std::unique_ptr<History>> History::open(const std::string& dir, base::FileSystem& fs) {
  auto history = std::make_unique<SnapshotThenTail>(dir, fs);
  SLUICE_TRY(history->begin());
  return std::unique_ptr<History>(std::move(history));
}

}  // namespace sluice::journal
