// The journal's write side: many I/O threads hand in batches, one commit thread makes them durable.
//
//   I/O threads ──submit()──► queue ──► commit thread: gather all that waits → one frame → pwrite
//                                       → fdatasync by policy → done callbacks, in order
//
// While one group is being written and synced the next gathers, so the number of records per
// fdatasync rises with the load and no timer is needed.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "base/error.h"
#include "base/file.h"
#include "base/metrics.h"

namespace sluice::journal {

enum class FsyncPolicy { kAlways, kEverySecond, kNo };

struct WriterOptions {
  std::string dir;
  uint32_t proxy_id = 0;  // as in the folder, like the next, if there is a journal
  uint32_t shelves = 64;
  uint64_t incarnation = 0;  // random: of this start
  FsyncPolicy fsync = FsyncPolicy::kAlways;
  int64_t segment_bytes = 64 << 20;
  int64_t bytes_max = int64_t{64} << 30;  // journal.max_bytes: all segments together
  int64_t free_bytes_min = 64 << 20;      // disk space left to others; below it the journal is full
  int64_t sync_interval_us = 1'000'000;   // kEverySecond: from the first unsynced byte to its sync
  int64_t sync_age_max_us = 2'000'000;    // kEverySecond: older than this, acknowledging stops
  // Called once, on the commit thread, when the journal has failed and all waiters have been told:
  // a background sync may fail with nobody waiting, and must end the process all the same.
  std::function<void(const Error&)> failed = [](const Error&) {};
};

// How a batch ended. `last_sequence` is the journal sequence of its last record.
struct CommitOutcome {
  Status status;               // an error means: not known to be durable; the journal is now broken
  uint64_t last_sequence = 0;
  bool synced = false;         // false under kEverySecond and kNo: written, not yet synced
};

class GroupCommit {
 public:
  using Done = std::function<void(const CommitOutcome&)>;

  // Opens the journal in `options.dir` (creating it if the folder is empty), after recovery has
  // prepared it (recovery.h), takes its lock, preallocates, and starts the commit thread.
  static Result<std::unique_ptr<GroupCommit>> start(const WriterOptions& options,
                                                    base::FileSystem& fs, base::Registry& metrics);
  // Stops like stop().
  virtual ~GroupCommit() = default;

  // Takes `bytes` of the journal's room before Redis is asked, so that what Redis accepts can
  // always be written. False: no room (limit or disk); nothing was taken. Any thread, lock-free.
  // bytes: an upper bound of the encoded records.
  virtual bool reserve(size_t bytes) = 0;
  // Gives back room that will not be used.
  virtual void release(size_t bytes) = 0;

  // Queues `count` encoded records (append_record, concatenated) as one unit: they share a frame,
  // so after a crash either all or none of them are there. `reserved` is given back once they are
  // written. At most kFrameBytesMax. `done` runs on the commit thread, must not block, and is
  // called exactly once, in the order of the journal, when the policy lets the batch be
  // acknowledged. `order_id_max`: the highest order id in the batch, or 0. Any thread; what one
  // thread submits is journaled in that order, what two do in any, even if one waits for the
  // other's submit(): only after its `done` will it come later. After stop() `done` runs at once,
  // on the caller's thread, with kUnavailable.
  virtual void submit(std::string records, uint32_t count, size_t reserved, uint64_t order_id_max,
                      Done done) = 0;

  // The highest sequence that is fdatasynced / written. Any thread.
  virtual uint64_t synced_sequence() const = 0;
  virtual uint64_t written_sequence() const = 0;
  virtual uint64_t journal_id() const = 0;
  // Bytes of all segments on disk; the limit of them.
  virtual int64_t bytes_used() const = 0;
  // The durations of fdatasync; nullptr: it keeps none. Any thread.
  virtual const base::Histogram* fsync_seconds() const { return nullptr; }

  // How long the commit under way has taken; 0: none is. A disk that stalls shows here. Any thread.
  virtual int64_t busy_us() const = 0;
  // Whether a batch was refused for want of room, and there has been no more since; and, as soon as
  // no further segment can be made, why, "" while one can. Any thread.
  virtual bool full() const = 0;
  virtual std::string shortage() const = 0;

  // Writes and syncs all that was submitted, calls what is still to be called, ends the threads,
  // and gives up the folder's lock: another process may go on with the journal when this returns.
  virtual Status stop() = 0;
};

}  // namespace sluice::journal
