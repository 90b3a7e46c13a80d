// The journal's read side: frames in order from a sequence, following a live writer.
//
// Used by the flusher (follows), by recovery and by sluice-ctl (to the end). Makes durable what it
// hands out: each segment is fdatasynced before bytes from it are returned, whatever the writer's
// policy, so that MySQL never knows more than the disk does. One thread.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/file.h"
#include "journal/record.h"

namespace sluice::journal {

// One frame's records. Views stay valid until the next call of next().
struct Group {
  std::vector<Record> records;
  uint64_t end_sequence = 0;  // of the record after them
  uint64_t before = 0;        // the journal's fingerprint before the first of them; of parts: 0
};

class Reader {
 public:
  // Begins with record `from`. kNotFound if there is no journal in `dir` yet; kCorrupt if `from` is
  // below the oldest segment.
  static Result<std::unique_ptr<Reader>> open(const std::string& dir, base::FileSystem& fs,
                                              uint64_t from);
  virtual ~Reader() = default;

  // The next frame; nullopt: nothing more for now (a live writer may still add).
  // Records before `from` are left out of the first group.
  virtual Result<std::optional<Group>> next() = 0;
  // How far next() has read, handed out or not: the sequence of the record that follows, and the
  // journal's fingerprint of all below it.
  virtual uint64_t end_sequence() const = 0;
  virtual uint64_t fingerprint() const = 0;
  virtual uint64_t journal_id() const = 0;
};

// What a folder holds, from segment headers and the last frames, without reading it all.
struct JournalExtent {
  uint64_t journal_id = 0;
  uint32_t proxy_id = 0;        // of its writer
  uint32_t shelves = 1;         // how many there are
  uint64_t incarnation = 0;     // of the writer's last start
  uint64_t first_sequence = 0;  // of the oldest segment
  uint64_t last_sequence = 0;   // of the newest whole frame
  int64_t bytes = 0;            // of frames, not of preallocated room
  int64_t last_time_ms = 0;     // of the newest record; 0: none
};
// The journal's fingerprints of all records below each of `sequences`, which rise. kCorrupt: there
// is none below the oldest segment's first record, or beyond the one after the newest.
Result<std::vector<uint64_t>> fingerprints(const std::string& dir, base::FileSystem& fs,
                                           std::span<const uint64_t> sequences);

// kNotFound if there is no journal in `dir` yet. Reads the newest segment's frames each time. The
// flusher may delete segments meanwhile.
Result<JournalExtent> extent(const std::string& dir, base::FileSystem& fs);

// The same for who asks again and again: remembers where the last call ended, so that a call costs
// a listing of the folder and the frames that are new. One thread.
class ExtentProbe {
 public:
  ExtentProbe(std::string dir, base::FileSystem& fs);
  ~ExtentProbe();
  Result<JournalExtent> read();

 private:
  struct Newest;
  Result<JournalExtent> look_at(std::vector<base::DirectoryEntry> listed);
  Status enter(uint64_t segment);

  const std::string dir_;
  base::FileSystem& fs_;
  uint64_t oldest_segment_ = 0;         // of which first_sequence_ is known
  uint64_t first_sequence_ = 0;
  int64_t last_time_ms_ = 0;
  std::unique_ptr<Newest> newest_;      // the newest segment and where its frames end
};

}  // namespace sluice::journal
