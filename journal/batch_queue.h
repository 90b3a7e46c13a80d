// Batches on their way to the commit thread, and what else wakes it.
//
//   I/O threads ──push()──► queue ──take(): all that is there──► the commit thread
//   a background sync ──signal()──► state_ ◄──close()── stop()
//
// state_ tells all that the commit thread waits for: closed or not, a signal, and how many batches
// are in the queue or about to be. The commit thread alone brings it down to 0, and then sleeps.
// The one that raises it from 0 wakes it, after putting its batch in: one wake-up a burst. None is
// lost, since all changes of one variable have an order: what was added before it came to 0 has
// been taken, and the next one to add finds 0.
//
// A batch is counted before it is put in. So one that found the queue open is waited for, however
// late it comes, and one that found it closed is not in it: each is committed or refused. While
// there is nothing but such a batch the commit thread yields: it takes one enqueue.
//
// Unbounded in itself: what waits is bounded by the room reserved for it (room.h).
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <string>
#include <vector>

#include "base/concurrent_queue.h"
#include "journal/group_commit.h"

namespace sluice::journal {

struct Batch {
  std::string records;
  uint32_t count = 0;
  size_t reserved = 0;
  uint64_t order_id_max = 0;
  GroupCommit::Done done;
  uint64_t last_sequence = 0;  // once it is in a frame
};

class BatchQueue {
 public:
  struct Taken {
    bool signalled = false;
    bool ended = false;  // closed, and every batch has been taken
  };

  // Any thread. Batches of one thread are taken in the order of its pushes. False: the queue is
  // closed, and `batch` is as it was.
  bool push(Batch& batch);
  // Wakes the commit thread, which finds `signalled`. Any thread; what it wrote before is seen.
  void signal();
  // Any thread. False: it was closed before.
  bool close();

  // The commit thread. Sleeps until there is something to do; puts all batches that are there into
  // `batches`, which is empty.
  Taken take(std::vector<Batch>& batches);

 private:
  static constexpr int kClosed = 1, kSignalled = 2, kBatch = 4;  // what state_ is the sum of

  void wake();

  base::ConcurrentQueue<Batch> queue_;
  std::atomic<int> state_{0};
  bool idle_ = true;  // the commit thread only: it has brought state_ down to 0

  // Only to sleep and to wake. (std::atomic's own wait yields a few times before it sleeps, which
  // takes longer than to sleep and to be woken.)
  std::mutex mutex_;
  std::condition_variable awake_;
  bool woken_ = false;  // since the last sleep; guarded by mutex_
};

}  // namespace sluice::journal
