// Reads whatever can be read of a journal folder, damaged as it may be, and tells what is missing.
//
// For people who must go on without the rest: nothing is refused, nothing is changed. Recovery and
// History refuse at the first damage instead, so that nothing is ever passed over in silence.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/file.h"
#include "journal/record.h"

namespace sluice::journal {

struct Salvage {
  // Records [first, end) that are neither in a segment nor covered by a readable snapshot.
  struct Gap {
    uint64_t first = 0, end = 0;
  };

  uint64_t journal_id = 0;  // 0: no segment's header can be read; then nothing else is
  uint32_t proxy_id = 0;
  uint32_t shelves = 1;
  uint64_t end_sequence = 1;  // of the record after the last one found
  uint64_t order_id_max = 0;  // the highest that the writer is known to have given out
  uint64_t covered = 1;    // records below it may be left out, if the snapshot retired their items
  int64_t retired_ms = 0;  // Snapshot::retired_ms
  std::vector<Gap> gaps;
  std::vector<std::string> damage;  // each place, for people
};

// The same without reading any record: what the newest readable header tells, and the damage.
Result<Salvage> salvage_header(const std::string& dir, base::FileSystem& fs);

// Visits every record that can be read, those of the snapshot (without FIELDS) first; one that a
// segment has as well comes twice. kNotFound: there is no such folder.
Result<Salvage> salvage(const std::string& dir, base::FileSystem& fs,
                        const std::function<void(const Record&)>& visit);

}  // namespace sluice::journal
