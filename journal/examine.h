// Reads a journal folder and judges it, changing nothing: what recovery acts upon and what
// `sluice-ctl journal verify` prints.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/file.h"
#include "journal/frame_scanner.h"
#include "journal/record.h"
#include "journal/segment.h"
#include "journal/snapshot.h"

namespace sluice::journal {

struct SegmentReport {
  SegmentInfo info;
  uint64_t end_sequence = 0;  // of the record after its last one
  uint64_t frames = 0;
  uint64_t records = 0;
  uint64_t end_offset = 0;    // behind its last frame
  bool read = false;          // false: all in the snapshot, only its header was looked at
};

struct Examination {
  std::vector<SegmentReport> segments;  // oldest first; empty: no journal
  std::optional<Snapshot> snapshot;
  uint64_t last_sequence = 0;
  uint64_t synced_sequence = 0;  // known to be synced, from what the segments say
  uint64_t order_id_max = 0;
  uint64_t fingerprint = 0;      // of all records
  uint64_t incarnation = 0;      // of the last frame
  uint64_t records = 0;          // in the segments read
  // The newest segment's tail: [tail_offset, end_offset) is whole but not known to be synced,
  // the torn bytes behind it are what a crash left of a write.
  uint64_t tail_offset = 0;
  uint64_t tail_sequence = 0;  // of the first record at tail_offset, or of the record to come
  uint64_t tail_fingerprint = 0;  // of all records before it
  uint64_t torn_bytes = 0;
  // The writer stopped in an orderly way: the newest segment ends with a synced mark.
  bool clean = false;
};

enum class Scope {
  kTail,  // records that the snapshot does not cover; of segments that hold none, only the header
  kAll,   // all segments, covered or not, and all parts of the snapshot
};

// Calls `visit` for every record of the segments read, in order (also before damage further on is
// found); with kTail for none that the snapshot covers. kCorrupt: names file and offset and what to
// do. kNotFound: the flusher deleted a segment that was about to be read; look again.
Result<Examination> examine(const std::string& dir, base::FileSystem& fs,
                            const std::function<void(const Record&)>& visit,
                            Scope scope = Scope::kAll);

// Decodes a frame's records, numbered; kCorrupt if they do not fill it exactly.
Status decode_records(const FrameHeader& header, std::string_view payload,
                      const std::function<void(const Record&)>& visit);
// The same, with the fingerprint up to each; `fingerprint` is that before the frame, and then that
// up to its end.
Status decode_records(const FrameHeader& header, std::string_view payload, uint64_t& fingerprint,
                      const std::function<void(const Record&)>& visit);

// kCorrupt: the frame at `offset` is not one that follows the history read so far.
Error other_history(const std::string& path, uint64_t offset, uint64_t sequence);

// kCorrupt with the place and what a person can do about it.
Error damage(const std::string& path, uint64_t offset, const std::string& what);

}  // namespace sluice::journal
