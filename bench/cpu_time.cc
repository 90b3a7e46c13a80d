#include "bench/cpu_time.h"

#include <ctime>

namespace sluice::bench {
namespace {

double read_clock(clockid_t clock) {
  timespec time{};
  if (::clock_gettime(clock, &time) != 0) return 0;
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) / 1e9;
}

}  // namespace

// The scheduler's own sum of run times: exact, where /proc/PID/stat counts ticks of 10 ms.
double process_cpu_s(pid_t pid) {
  clockid_t clock = 0;
  return ::clock_getcpuclockid(pid, &clock) == 0 ? read_clock(clock) : 0;
}

double thread_cpu_s() { return read_clock(CLOCK_THREAD_CPUTIME_ID); }

}  // namespace sluice::bench
