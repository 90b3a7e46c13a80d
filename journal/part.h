// A part: one file of a snapshot, with the records that a range of the journal came down to.
//
// Written once, front to back, and never changed; it counts once a manifest names it. Frames are
// those of segments, with a seed of their own; where records were left out a new frame begins, so
// that the records of a frame always have consecutive sequences. A batch never spans two frames.
// Layout: docs/journal_format.md. One thread each.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "base/error.h"
#include "base/file.h"
#include "journal/frame_scanner.h"
#include "journal/reader.h"
#include "journal/snapshot.h"

namespace sluice::journal {

std::string part_name(uint64_t number);
// 0: not the name of a part.
uint64_t part_number(std::string_view name);

class PartWriter {
 public:
  // Replaces what a pass that died may have left under that number.
  static Result<std::unique_ptr<PartWriter>> create(const std::string& dir, base::FileSystem& fs,
                                                    uint64_t journal_id, uint64_t number,
                                                    uint64_t first_sequence);

  // The next record, without its FIELDS.
  Status add(const Record& record);
  // The records added since the last call are whole batches.
  Status end_group();
  // Writes and syncs all; the folder is for the caller to sync. `end_sequence`: the part stands for
  // all records below.
  Result<PartInfo> finish(uint64_t end_sequence);

 private:
  PartWriter(std::unique_ptr<base::File> file, uint64_t journal_id, const PartInfo& info);
  Status write_frame(size_t payload_bytes, uint32_t count);

  const std::unique_ptr<base::File> file_;
  const uint32_t seed_;
  PartInfo info_;
  uint64_t order_id_max_ = 0;
  std::string payload_;          // records of the frame in the making
  uint64_t payload_first_ = 0;   // sequence of its first record
  uint32_t payload_count_ = 0;
  size_t group_at_ = 0;          // where the group under way begins in payload_
  uint32_t group_at_count_ = 0;  // records before it
  std::string frame_;
  uint64_t synced_bytes_ = 0;    // of the file
};

// For who meets kNotFound although the manifest has not changed meanwhile.
Error missing_part(const std::string& dir, const PartInfo& info);

class PartReader {
 public:
  // Holds the file open from here on: it may be deleted meanwhile. kNotFound: it is gone already.
  static Result<std::unique_ptr<PartReader>> open(const std::string& dir, base::FileSystem& fs,
                                                  uint64_t journal_id, const PartInfo& info);

  // The next frame's records, whose views stay valid until the next call; nullopt: that was all.
  // kCorrupt: damage, or not what the manifest says.
  Result<std::optional<Group>> next();
  const PartInfo& info() const { return info_; }

 private:
  PartReader(std::unique_ptr<base::File> file, uint64_t journal_id, const PartInfo& info);

  const std::unique_ptr<base::File> file_;
  const PartInfo info_;
  FrameScanner scanner_;
  uint64_t next_sequence_;  // no record below it may come
  uint64_t records_ = 0;    // read so far
};

}  // namespace sluice::journal
