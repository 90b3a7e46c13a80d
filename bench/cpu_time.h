// CPU time, of this thread and of other processes: what a purchase costs, however many cores wait.
#pragma once

#include <sys/types.h>

namespace sluice::bench {

// User and system time of all threads of a process so far, in seconds, to the microsecond; 0 of one
// that is gone.
double process_cpu_s(pid_t pid);

// Of the calling thread.
double thread_cpu_s();

}  // namespace sluice::bench
