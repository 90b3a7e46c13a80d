// Keeps one preallocated segment ready, so that the commit thread neither waits for one nor ever
// finds the disk full in the middle of a commit.
//
// A thread of its own (journal supply): preallocates, counts the folder's bytes, and while there is
// no room looks again every 100 ms whether the flusher has deleted something.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "base/error.h"
#include "base/file.h"
#include "base/metrics.h"
#include "journal/group_commit.h"
#include "journal/room.h"

namespace sluice::journal {

class SegmentSupply {
 public:
  // `fs`, `room` and `bytes_used` must outlive the supply. Counts before it returns.
  SegmentSupply(const WriterOptions& options, int64_t frame_bytes_max, base::FileSystem& fs,
                Room& room, base::Gauge& bytes_used);
  ~SegmentSupply() { stop(); }
  // Ends the thread and removes what was not taken: from then on it touches the folder no more.
  void stop();

  // The preallocated file kNextName, whose room has been added before. Waits while one is being
  // prepared; an error (kNoSpace, kIo) if it cannot be. The next one is prepared once the caller
  // has given this one its own name and says so by renamed(). One thread.
  Result<std::unique_ptr<base::File>> take();
  void renamed();

  // Why no segment could be made when it was tried last; "": it could. Any thread.
  std::string shortage() const;

  // Bytes of all segments and of the one in preparation. Any thread.
  int64_t bytes_used() const { return bytes_used_.value(); }

 private:
  void run();
  Result<std::unique_ptr<base::File>> prepare();
  void tell(const Error* shortage);
  void ask_for_room(bool wanted);
  Result<int64_t> count();

  const WriterOptions options_;
  const int64_t frame_bytes_max_;
  base::FileSystem& fs_;
  Room& room_;
  base::Gauge& bytes_used_;

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  bool told_ = false;   // the supply thread only; that there is a shortage
  bool asked_ = false;  // the supply thread only; that kRoomWantedName is there
  std::unique_ptr<base::File> next_;  // guarded by mutex_
  bool lent_ = false;                 // guarded by mutex_; taken and not yet renamed
  std::optional<Error> failure_;      // of the last attempt; guarded by mutex_
  uint64_t attempts_ = 0;             // guarded by mutex_
  uint64_t attempts_wanted_ = 1;      // guarded by mutex_; one is due while attempts_ is less
  bool stop_ = false;                 // guarded by mutex_
  std::thread thread_;                // last: it uses all of the above
};

}  // namespace sluice::journal
