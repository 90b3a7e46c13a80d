// Which drained segments may be deleted.
//
// Until Redis can be rebuilt from a snapshot, it is rebuilt from the journal folder alone, so a
// segment stays as long as any item needs it. The oldest segment may go when
//   - it is not the newest, and every record in it is in MySQL,
//   - every item with records in it is closed (and not reopened), or past its END, and
//   - the retention time has passed since the last of these became true.
// Only the oldest ones go, so the folder never has a hole.
//
// What is not known after a restart is taken from the records: a segment that was drained before
// counts from its newest record. Pure: no files, no clock. Memory grows with the items whose
// records are in the folder.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <unordered_map>

#include "journal/record.h"
#include "journal/segment.h"

namespace sluice::flusher {

class Retention {
 public:
  // Every record in the folder, in order, once it is in MySQL; `segment` is the one it is in, or an
  // older one.
  void observe(const journal::Record& record, uint64_t segment);
  // How many of `segments`, from the oldest on, may be deleted. All records below `position` are in
  // MySQL and have been observed. Call from time to time: drains are dated by the calls.
  size_t deletable(std::span<const journal::SegmentSummary> segments, uint64_t position,
                   int64_t now_ms, int64_t retain_ms);
  // Forgets what no segment holds any more; `oldest` is the oldest that is left.
  void removed_below(const journal::SegmentSummary& oldest);

  size_t items() const { return items_.size(); }

 private:
  struct Item {
    uint64_t first_sequence;
    int64_t end_ms;     // 0: none
    int64_t closed_ms;  // 0: open
  };
  struct Dates {
    int64_t newest_ms = 0;   // of its records
    int64_t drained_ms = 0;  // when it was first seen in MySQL; 0: not yet, or before the start
    bool drained = false;
  };
  static int64_t done_ms(const Item& item, int64_t now_ms);

  std::unordered_map<std::string, Item> items_;
  std::map<uint64_t, Dates> dates_;  // by segment number
  bool started_ = false;             // deletable() has been called
};

}  // namespace sluice::flusher
