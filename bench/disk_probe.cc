#include "bench/disk_probe.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <vector>

namespace sluice::bench {

Result<LatencyHistogram> probe_syncs(const std::string& folder, int count) {
  const std::string path = folder + "/sync-probe";
  const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (fd < 0) return base::errno_error(errno, path);
  const std::vector<char> block(4096, 'x');
  LatencyHistogram times_ns;
  int failure = 0;
  for (int i = 0; i < count && failure == 0; ++i) {
    const auto start = std::chrono::steady_clock::now();
    if (::write(fd, block.data(), block.size()) < 0 || ::fdatasync(fd) != 0) failure = errno;
    const std::chrono::nanoseconds time = std::chrono::steady_clock::now() - start;
    times_ns.record(time.count());
  }
  ::close(fd);
  ::unlink(path.c_str());
  if (failure != 0) return base::errno_error(failure, path);
  return times_ns;
}

Status settle_disk(const std::string& folder) {
  const int fd = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return base::errno_error(errno, folder);
  const int failure = ::syncfs(fd) == 0 ? 0 : errno;
  ::close(fd);
  if (failure != 0) return base::errno_error(failure, folder);
  return {};
}

}  // namespace sluice::bench
