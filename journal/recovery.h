// What a writer does before it opens a journal folder: check every segment that the snapshot does
// not cover, cut a torn tail (with a copy kept beside it), refuse on damage below the last synced
// record, rewrite the surviving tail into a new segment, and tell what the journal knows.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "base/error.h"
#include "base/file.h"
#include "journal/record.h"
#include "journal/snapshot.h"

namespace sluice::journal {

struct RecoveryReport {
  uint64_t journal_id = 0;       // 0: the folder was empty
  uint32_t proxy_id = 0;         // of its writer; like the next, of a folder that was not
  uint32_t shelves = 0;
  uint64_t incarnation = 0;      // of the start before this one
  uint64_t last_sequence = 0;    // 0: no record yet
  uint64_t order_id_max = 0;     // the highest order id that its writer ever gave out
  uint64_t records = 0;          // visited
  uint64_t torn_bytes = 0;       // bytes cut from the tail
  std::string torn_copy;         // where they were kept
  // The state of the items before the first record visited; with what the visits tell, it is the
  // present one. nullopt: nothing was compacted yet, all records were visited.
  std::optional<Snapshot> snapshot;
};

// Calls `visit` for every surviving record that the snapshot does not cover, in order, each once.
// The flusher may compact meanwhile. kCorrupt: the folder must not be written to; the message names
// file and offset and what to do (exit code 3).
Result<RecoveryReport> recover(const std::string& dir, base::FileSystem& fs,
                               const std::function<void(const Record&)>& visit);

}  // namespace sluice::journal
