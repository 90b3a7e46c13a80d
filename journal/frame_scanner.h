// Reads one segment's frames one after the other, in large chunks through one reused buffer.
//
// Used by the reader, recovery, verify and extent; they decide what an invalid frame means, the
// scanner only tells where it is. The file may grow meanwhile. One thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/error.h"
#include "base/file.h"
#include "journal/frame.h"

namespace sluice::journal {

struct Frame {
  FrameHeader header;
  std::string_view payload;  // valid until the scanner's next call
  uint64_t offset = 0;
};

class FrameScanner {
 public:
  enum class Found {
    kFrame,
    kNothing,  // zeros or the end of the file: no frame was put here yet
    kInvalid,  // bytes that are no whole frame: torn, damaged, or being written right now
  };

  // `file` must outlive the scanner.
  FrameScanner(base::File& file, uint32_t seed, uint64_t offset);

  // The frame at offset(), which then moves behind it. It stays where it is on kNothing, kInvalid
  // and errors.
  Result<Found> next(Frame& frame);
  uint64_t offset() const { return offset_; }
  // Why the last next() said kInvalid.
  FrameCheck check() const { return check_; }

  // Forgets what is buffered, so that the next call sees what the file holds now.
  void refresh();
  // Changes whenever bytes were read from the file.
  uint64_t fills() const { return fills_; }

 private:
  Status fill(size_t bytes_wanted);
  std::string_view window() const;

  base::File& file_;
  const uint32_t seed_;
  uint64_t offset_;
  std::string buffer_;
  uint64_t buffer_offset_ = 0;  // file offset of buffer_'s first byte
  size_t fill_bytes_;           // how much the next fill reads at least
  bool at_end_ = false;         // the last fill reached the end of the file
  uint64_t fills_ = 0;
  FrameCheck check_ = FrameCheck::kWhole;
};

// What lies behind the last frame of a segment.
struct TailEvidence {
  uint64_t used_end = 0;        // behind the last byte that is not zero; `offset` if there is none
  uint64_t later_frame = 0;     // offset of a whole frame that proves that the record `expected`
                                // was synced before that frame was written; 0: none
  uint64_t synced_sequence = 0; // what that frame says
};
// `offset`: where a frame that begins with the record `expected` should be but is not. Reads the
// rest of the file, or about `bytes_max` of it.
Result<TailEvidence> examine_tail(base::File& file, uint32_t seed, uint64_t offset,
                                  uint64_t expected, uint64_t bytes_max = UINT64_MAX);

}  // namespace sluice::journal
