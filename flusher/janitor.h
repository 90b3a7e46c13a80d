// Deletes journal segments that nothing needs any more (retention.h says which), now and then, on a
// thread of its own.
//
// Reads the journal a second time, behind the writers, so that the drain itself is not burdened.
// Keeps nothing on disk: a start reads what is in the folder.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <string>
#include <thread>

#include "base/file.h"
#include "flusher/journal_watch.h"
#include "flusher/retention.h"
#include "flusher/status.h"

namespace sluice::flusher {

class Janitor {
 public:
  // References outlive the janitor. `status` tells the position.
  Janitor(std::string dir, base::FileSystem& fs, int64_t retain_us, const StatusBoard& status);
  ~Janitor() { stop(); }

  void start();
  void stop();
  // Any thread.
  void set_retain(int64_t retain_us);

  // One look, at wall time `now_ms`; how many segments it deleted. For the thread, and for tests
  // that do not start it.
  Result<size_t> pass(int64_t now_ms);

 private:
  void run();
  // False: stopping, or the position is not reached yet.
  Result<bool> read_up_to(uint64_t position);

  const std::string dir_;
  base::FileSystem& fs_;
  const StatusBoard& status_;

  // This thread only.
  JournalWatch journal_;
  bool opened_ = false;
  Retention retention_;
  std::vector<journal::SegmentSummary> segments_;

  std::mutex mutex_;  // guards all below
  std::condition_variable wake_;
  bool stop_ = false;
  int64_t retain_us_;
  std::thread thread_;
};

}  // namespace sluice::flusher
