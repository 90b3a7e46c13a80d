// A wall clock that a test turns: preloaded into a process, it adds to CLOCK_REALTIME the
// milliseconds (8 bytes, little-endian) that the file $SLUICE_CLOCK holds at the moment. Other clocks
// stay as they are, as on a machine whose clock is stepped.
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static const volatile int64_t *offset_ms;

__attribute__((constructor)) static void open_file(void) {
  const char *path = getenv("SLUICE_CLOCK");
  const int file = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
  if (file < 0) return;
  void *mapped = mmap(NULL, sizeof(int64_t), PROT_READ, MAP_SHARED, file, 0);
  close(file);
  if (mapped != MAP_FAILED) offset_ms = mapped;
}

int clock_gettime(clockid_t clock, struct timespec *time) {
  const long failed = syscall(SYS_clock_gettime, clock, time);
  if (failed != 0) return -1;
  if (offset_ms != NULL && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) {
    const int64_t ns = time->tv_nsec + (*offset_ms % 1000) * 1000000;
    time->tv_sec += *offset_ms / 1000 + (ns < 0 ? -1 : ns >= 1000000000 ? 1 : 0);
    time->tv_nsec = (ns + 1000000000) % 1000000000;
  }
  return 0;
}

int gettimeofday(struct timeval *restrict time, void *restrict zone) {
  (void)zone;
  struct timespec now;
  if (clock_gettime(CLOCK_REALTIME, &now) != 0) return -1;
  time->tv_sec = now.tv_sec;
  time->tv_usec = now.tv_nsec / 1000;
  return 0;
}

time_t time(time_t *out) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  if (out != NULL) *out = now.tv_sec;
  return now.tv_sec;
}
