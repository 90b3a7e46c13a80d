#include "bench/machine.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/statfs.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <fstream>
#include <thread>
#include <vector>

namespace sluice::bench {
namespace {

std::string cpu_model() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);) {
    const size_t colon = line.find(": ");
    if (line.starts_with("model name") && colon != std::string::npos) return line.substr(colon + 2);
  }
  return "unknown CPU";
}

std::string file_system(long magic) {
  switch (magic) {
    case EXT4_SUPER_MAGIC:
      return "ext4";
    case XFS_SUPER_MAGIC:
      return "xfs";
    case BTRFS_SUPER_MAGIC:
      return "btrfs";
    case TMPFS_MAGIC:
      return "tmpfs";
    case OVERLAYFS_SUPER_MAGIC:
      return "overlayfs";
    default:
      return "another file system";
  }
}

Result<double> median_sync_us(const std::string& folder) {
  constexpr int kSyncs = 200;
  const std::string path = folder + "/sync-probe";
  const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (fd < 0) return base::errno_error(errno, path);
  const std::vector<char> block(4096, 'x');
  std::vector<double> times_us;
  int failure = 0;
  for (int i = 0; i < kSyncs && failure == 0; ++i) {
    const auto start = std::chrono::steady_clock::now();
    if (::write(fd, block.data(), block.size()) < 0 || ::fdatasync(fd) != 0) failure = errno;
    const std::chrono::duration<double, std::micro> time = std::chrono::steady_clock::now() - start;
    times_us.push_back(time.count());
  }
  ::close(fd);
  ::unlink(path.c_str());
  if (failure != 0) return base::errno_error(failure, path);
  std::nth_element(times_us.begin(), times_us.begin() + kSyncs / 2, times_us.end());
  return times_us[kSyncs / 2];
}

}  // namespace

Result<Machine> describe_machine(const std::string& folder) {
  Machine machine;
  machine.cpu = cpu_model();
  machine.cores = static_cast<int>(std::thread::hardware_concurrency());
  utsname name{};
  if (::uname(&name) == 0) {
    machine.kernel = std::string(name.sysname) + " " + name.release + " " + name.machine;
  }
  ::getloadavg(&machine.load, 1);
  struct statfs info {};
  if (::statfs(folder.c_str(), &info) != 0) return base::errno_error(errno, folder);
  machine.disk = file_system(info.f_type);
  machine.in_memory = info.f_type == TMPFS_MAGIC;
  const auto sync_us = median_sync_us(folder);
  if (!sync_us) return sync_us.error();
  machine.sync_us = *sync_us;
  return machine;
}

}  // namespace sluice::bench
