// moodycamel's ConcurrentQueue, as threads hand work to each other here: many put in, one takes
// out, without a lock.
//
// What we rely on, wherever it is used:
//   - Each thread that enqueues has a list of its own in the queue (its implicit producer). Items
//     of one thread come out in the order in which it put them in. Those of two threads come out in
//     any order, even if one of the threads waited for the other.
//   - Items of a thread that has ended come out as if it lived. A later thread may get its list,
//     and goes on at the end of it. So a thread needs no token, and a short-lived one does no harm.
//   - An enqueue that happens before a dequeue is seen by it. The queue wakes nobody and promises
//     no more: a variable of its owner must order the two, and the owner's header says how.
//   - There is no bound in it: its owner has one.
#pragma once

#include <concurrentqueue.h>

namespace sluice::base {

// Items lie in blocks of 32. Blocks are used again, by all threads, until the queue is destroyed:
// it holds the memory of the most that ever waited, and allocates nothing once that was reached.
struct ConcurrentQueueTraits : moodycamel::ConcurrentQueueDefaultTraits {
  static const bool RECYCLE_ALLOCATED_BLOCKS = true;  // 1.0.3 knows no other way
};

template <typename T>
using ConcurrentQueue = moodycamel::ConcurrentQueue<T, ConcurrentQueueTraits>;

}  // namespace sluice::base
