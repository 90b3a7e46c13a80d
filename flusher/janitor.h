// Keeps the journal folder small: compacts drained segments into the snapshot and deletes them after
// the retention time (journal/compactor.h says how), on a thread of its own.
//
// Promptly, since start-up and a rebuild of Redis take the longer the more is not compacted; but
// while the drain is at work only once several segments wait, so as not to take the disk from it.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <string>
#include <thread>

#include "base/file.h"
#include "flusher/status.h"
#include "journal/compactor.h"

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

  // One pass, at wall time `now_ms`, which leaves the disk to a drain under way.
  Result<journal::Compactor::Report> pass(int64_t now_ms);
  // One pass once the drain has ended.
  Result<journal::Compactor::Report> last_pass(int64_t now_ms);

 private:
  void run();
  Result<journal::Compactor::Report> pass(int64_t now_ms, size_t segments_min);

  const StatusBoard& status_;
  journal::Compactor compactor_;  // of whoever calls pass()

  mutable std::mutex mutex_;  // guards all below
  std::condition_variable wake_;
  bool stop_ = false;
  int64_t retain_us_;
  std::thread thread_;
};

}  // namespace sluice::flusher
