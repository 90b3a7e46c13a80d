// The end of the journal: where the commit thread appends frames, from segment to segment.
//
// append() only buffers; write() puts the buffer into the file; sync() makes it durable. If every
// group is synced, write() now and then puts zeros ahead of the frames as well: a sync of space
// that was preallocated and never written has to write metadata too, one of space that was does
// not. A failed write or sync leaves the log broken for good: what the disk holds is unknown from
// then on, and only recovery may find out. Commit thread only, but for the file() that a sync may
// hold.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/error.h"
#include "base/file.h"
#include "base/metrics.h"
#include "journal/frame.h"
#include "journal/group_commit.h"
#include "journal/room.h"
#include "journal/segment.h"
#include "journal/segment_supply.h"

namespace sluice::journal {

class SegmentLog {
 public:
  // `frame_bytes_max`: frames are not made larger than this. `settle` is asked after every sync
  // whether one beside it has failed. All references must outlive the log.
  SegmentLog(const WriterOptions& options, int64_t frame_bytes_max, base::FileSystem& fs,
             SegmentSupply& supply, Room& room, base::Histogram& fsync_us,
             std::function<Status()> settle);

  // Goes on behind the newest segment's mark, or begins a new journal in an empty folder.
  // kInvalid if the folder was not recovered.
  Status open();

  // Adds one frame of `count` encoded records (0: a mark). Begins the next segment if the frame
  // does not fit, which writes and syncs all that came before.
  Status append(std::string_view records, uint32_t count);
  Status write();
  Status sync();
  // Writes and syncs everything, marks the end and gives back preallocated room.
  Status close();

  void raise_order_id(uint64_t order_id);

  uint64_t journal_id() const { return header_.journal_id; }
  uint64_t next_sequence() const { return next_sequence_; }
  uint64_t written_sequence() const { return written_sequence_; }
  // Where frames go now; shared with whoever syncs it in the background.
  const std::shared_ptr<base::File>& file() const { return file_; }
  // What was synced, here or (told by set_synced) in the background.
  uint64_t synced_sequence() const { return synced_sequence_; }
  void set_synced(uint64_t sequence);

 private:
  Status begin_journal();
  Status open_newest(const SegmentInfo& info);
  Status begin_segment();
  Status finish_segment();
  Status mark_end();
  size_t zeros_ahead() const;
  int64_t free_bytes() const;

  const WriterOptions& options_;
  const int64_t frame_bytes_max_;
  base::FileSystem& fs_;
  SegmentSupply& supply_;
  Room& room_;
  base::Histogram& fsync_us_;
  const std::function<Status()> settle_;

  SegmentHeader header_;             // of the current segment
  uint32_t seed_ = 0;
  std::shared_ptr<base::File> file_;
  uint64_t capacity_ = 0;            // bytes of the current segment that are preallocated
  uint64_t offset_ = 0;              // of the first byte of buffer_ in it
  std::string buffer_;               // frames not yet written
  uint64_t touched_ = 0;             // up to here the current segment was written, if with zeros
  uint64_t next_sequence_ = 1;       // of the next record appended
  uint64_t written_sequence_ = 0;
  uint64_t synced_sequence_ = 0;
  uint64_t order_id_max_ = 0;
  uint64_t fingerprint_ = 0;         // of all records appended
  bool marked_ = false;              // the last frame written is a mark
};

}  // namespace sluice::journal
