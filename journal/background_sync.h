// The sync of policy kEverySecond: about one fdatasync a second, beside the writes.
//
// The commit thread tells what it wrote; this thread syncs it one interval later and tells back.
// oldest_unsynced_us() is what stops acknowledgements when the disk does not keep up.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>

#include "base/error.h"
#include "base/file.h"
#include "base/metrics.h"

namespace sluice::journal {

class BackgroundSync {
 public:
  // `done(status, sequence)` runs on this object's thread after every sync; after an error there
  // is no further sync.
  using Done = std::function<void(const Status&, uint64_t sequence)>;

  BackgroundSync(int64_t interval_us, base::Histogram& fsync_us, Done done);
  ~BackgroundSync();  // waits for the sync under way, starts none

  // All records up to `sequence` are written, the unsynced ones all to `file`. Commit thread.
  void written(const std::shared_ptr<base::File>& file, uint64_t sequence);
  // After a sync of the commit thread's own, which proves nothing if one here has failed: the
  // kernel tells of lost pages once. Waits for the one under way; the error of the one that failed.
  Status settle();
  // How long the oldest unsynced byte has been waiting; 0: there is none. Commit thread.
  int64_t oldest_unsynced_age_us() const;

 private:
  void run();
  void sync_once(std::unique_lock<std::mutex>& lock);

  const int64_t interval_us_;
  base::Histogram& fsync_us_;
  const Done done_;

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::shared_ptr<base::File> file_;  // guarded by mutex_
  uint64_t sequence_ = 0;             // guarded by mutex_
  int64_t waiting_since_us_ = 0;      // first write after the last sync began; guarded by mutex_
  int64_t syncing_since_us_ = 0;      // the same for the sync under way; guarded by mutex_
  bool syncing_ = false;              // guarded by mutex_
  std::optional<Error> failure_;      // guarded by mutex_
  bool stop_ = false;                 // guarded by mutex_
  std::thread thread_;                // last: it uses all of the above
};

}  // namespace sluice::journal
