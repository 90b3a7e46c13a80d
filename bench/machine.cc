#include "bench/machine.h"

#include <linux/magic.h>
#include <sys/statfs.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <fstream>
#include <thread>

#include "bench/disk_probe.h"

namespace sluice::bench {
namespace {

constexpr int kSyncs = 200;

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

// Time that some processor was neither idle nor waiting for a disk, in seconds since the boot.
double busy_s() {
  std::ifstream stat("/proc/stat");
  std::string name;
  double user = 0, nice = 0, system = 0, idle = 0, waiting = 0, irq = 0, softirq = 0, steal = 0;
  stat >> name >> user >> nice >> system >> idle >> waiting >> irq >> softirq >> steal;
  return (user + nice + system + irq + softirq + steal) /
         static_cast<double>(::sysconf(_SC_CLK_TCK));
}

// Not the load average, which still remembers the build that came before.
double busy_cores() {
  constexpr useconds_t kWatchUs = 500'000;
  const double before_s = busy_s();
  ::usleep(kWatchUs);
  return (busy_s() - before_s) * 1e6 / kWatchUs;
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
  machine.busy_cores = busy_cores();
  struct statfs info {};
  if (::statfs(folder.c_str(), &info) != 0) return base::errno_error(errno, folder);
  machine.disk = file_system(info.f_type);
  machine.in_memory = info.f_type == TMPFS_MAGIC;
  const auto syncs = probe_syncs(folder, kSyncs);
  if (!syncs) return syncs.error();
  machine.sync_us = static_cast<double>(syncs->quantile(0.5)) / 1e3;
  return machine;
}

}  // namespace sluice::bench
