#include "bench/cpu_time.h"

#include <ctime>

namespace sluice::bench {
namespace {

int64_t read_clock(clockid_t clock) {
  timespec time{};
  if (::clock_gettime(clock, &time) != 0) return 0;
  return int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
}

}  // namespace

// The scheduler's own sum of run times: exact, where /proc/PID/stat counts ticks of 10 ms.
int64_t cpu_time_ns(const std::vector<pid_t>& pids) {
  int64_t sum = 0;
  for (const pid_t pid : pids) {
    clockid_t clock = 0;
    if (::clock_getcpuclockid(pid, &clock) == 0) sum += read_clock(clock);
  }
  return sum;
}

int64_t thread_cpu_ns() { return read_clock(CLOCK_THREAD_CPUTIME_ID); }

}  // namespace sluice::bench
