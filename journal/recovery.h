// What a writer does before it opens a journal folder: check every segment, cut a torn tail (with a
// copy kept beside it), refuse on damage below the last synced record, rewrite the surviving tail
// into a new segment, and tell what the journal knows.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "base/error.h"
#include "base/file.h"
#include "journal/record.h"

namespace sluice::journal {

struct RecoveryReport {
  uint64_t journal_id = 0;       // 0: the folder was empty
  uint64_t last_sequence = 0;    // 0: no record yet
  uint64_t order_id_max = 0;     // the highest order id ever written
  uint64_t records = 0;          // records read
  uint64_t torn_bytes = 0;       // bytes cut from the tail
  std::string torn_copy;         // where they were kept
};

// Calls `visit` for every surviving record, in order. kCorrupt: the folder must not be written to;
// the message names segment and offset and what to do (exit code 3).
Result<RecoveryReport> recover(const std::string& dir, base::FileSystem& fs,
                               const std::function<void(const Record&)>& visit);

}  // namespace sluice::journal
