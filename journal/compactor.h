// Compacts drained segments into the snapshot, and deletes them once they were kept long enough.
//
// Works on whole segments whose every record is in MySQL, never on the newest one. One pass:
//   1. the part:      records of the new segments, and of the youngest parts while these are less
//                     than twice as large (so that their number stays logarithmic), go into one new
//                     part; what retired items left behind is dropped on the way
//   2. the manifest:  replaced by rename; from here on the new part counts
//   3. old parts, then segments that are covered and old enough are deleted
// Each step is durable before the next begins, so a pass that dies anywhere leaves either the old
// snapshot or the new one, and at most files that no manifest names; the next pass deletes those.
//
// Memory: the item table, not the records. No thread of its own; the flusher's janitor calls it. A
// lock in the folder keeps two flushers' passes apart.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/file.h"
#include "journal/part.h"
#include "journal/segment.h"
#include "journal/snapshot.h"

namespace sluice::journal {

class Compactor {
 public:
  // An item may be opened again until journal.retain after its CLOSE (operations.lua). Its history
  // is let go after twice that: so a REOPEN through another proxy has as long to be drained.
  static constexpr int64_t kItemRetains = 2;

  struct Report {
    size_t segments_compacted = 0;
    size_t segments_removed = 0;
    uint64_t records_written = 0;  // to the new part
    size_t items_retired = 0;
  };

  // What the database knows of these items: which were over at `until_ms` and still are, and which
  // it does not have. Called with items of which this journal has nothing younger, or that were
  // deleted. An error: not known now, so none of them is retired.
  struct Found {
    std::set<std::string> over, absent;
  };
  using FindOver =
      std::function<Result<Found>(const std::vector<std::string>& items, int64_t until_ms)>;

  // `fs` outlives the compactor. Without `find_over` an item is over when this journal says so;
  // only whoever knows all journals (the database does) knows of a CLOSE or a REOPEN through
  // another proxy.
  Compactor(std::string dir, base::FileSystem& fs, FindOver find_over = nullptr)
      : dir_(std::move(dir)), fs_(fs), find_over_(std::move(find_over)) {}

  // One pass at wall time `now_ms`. Every record below `position` of this journal is in MySQL. An
  // item is retired twice `retain_ms` after it was closed or ended, a segment deleted `retain_ms`
  // after it was drained; but while the writer has no room (kRoomWantedName) the older half of
  // those that are only kept for that time goes at once. Compacts only if at least `segments_min`
  // whole segments wait for it.
  // Whatever failed is tried anew, from the files, by the next pass. kUnavailable: interrupted.
  // kRefused: the folder holds another journal than `journal_id` (0: any), so `position` does not
  // concern it.
  Result<Report> pass(uint64_t position, int64_t now_ms, int64_t retain_ms, size_t segments_min = 1,
                      uint64_t journal_id = 0);
  // Ends a pass under way soon, and every later one at once. Any thread.
  void interrupt() { interrupted_.store(true, std::memory_order_relaxed); }

 private:
  // What the new part will stand for.
  struct Plan {
    uint64_t end_sequence = 0;  // records up to here …
    size_t parts_kept = 0;      // … from where these parts end
    size_t segments = 0;        // how many are compacted
  };

  Status look(uint64_t position, int64_t now_ms);
  Status check_journal(uint64_t journal_id) const;
  size_t waiting(uint64_t position) const;
  size_t covered() const;
  size_t removable(int64_t now_ms, int64_t retain_ms) const;
  Status compact(Snapshot& snapshot, uint64_t position, int64_t now_ms, int64_t retain_ms,
                 Report& report);
  size_t retire(Snapshot& snapshot, int64_t now_ms, int64_t retain_ms) const;
  std::vector<ItemKey> over_ones(const Snapshot& snapshot, int64_t until_ms, int64_t now_ms) const;
  std::vector<ItemKey> over_in_database(const Snapshot& snapshot, int64_t until_ms,
                                        int64_t now_ms) const;
  Result<Plan> make_plan(const Snapshot& snapshot, uint64_t position) const;
  Result<PartInfo> write_part(Snapshot& snapshot, const Plan& plan);
  Status copy_part(const Snapshot& snapshot, const PartInfo& info, PartWriter& to);
  Status copy_segments(Snapshot& snapshot, uint64_t end_sequence, PartWriter& to);
  Status publish(const Snapshot& snapshot);
  Status make_sure_of(const Snapshot& snapshot);
  Status remove_unnamed(const Snapshot& snapshot);
  Status remove_segments(const Snapshot& snapshot, int64_t now_ms, int64_t retain_ms,
                         Report& report);

  const std::string dir_;
  base::FileSystem& fs_;
  const FindOver find_over_;
  std::atomic<bool> interrupted_{false};

  // Of whoever calls pass().
  std::vector<SegmentInfo> segments_;       // as last listed
  uint64_t covered_ = 0;                    // the snapshot's end as last read; 0: not yet
  uint64_t published_ = 0;                  // generation that is surely on disk
  std::map<uint64_t, int64_t> drained_ms_;  // by segment number: when it was first seen in MySQL
  bool looked_ = false;                     // before this pass
  bool room_wanted_ = false;                // by the writer
};

}  // namespace sluice::journal
