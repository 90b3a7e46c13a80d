// CPU time, of this thread and of other processes: what a purchase costs, however many cores wait.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <vector>

namespace sluice::bench {

// User and system time of all threads of the processes so far, in nanoseconds; a process that is
// gone, or another user's, counts as 0.
int64_t cpu_time_ns(const std::vector<pid_t>& pids);

// Of the calling thread.
int64_t thread_cpu_ns();

}  // namespace sluice::bench
