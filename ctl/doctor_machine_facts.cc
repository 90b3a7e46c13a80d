// What doctor looks at on this machine: journal folders, their disks, limits, and what the daemons
// themselves say of their configuration.
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/resource.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "base/clock.h"
#include "base/file.h"
#include "base/units.h"
#include "ctl/doctor.h"
#include "journal/lineage.h"
#include "journal/refusal.h"
#include "journal/segment.h"

extern char** environ;

namespace sluice::ctl::doctor {
namespace {

constexpr int kSyncs = 32;
constexpr uint64_t kSyncBytes = 4096;
constexpr int kCheckTimeoutMs = 10'000;

// statfs(2); linux/magic.h does not have all of them.
struct Magic {
  uint32_t number;
  const char* name;
};
constexpr Magic kMagics[] = {
    {0x6969, "nfs"},         {0xff534d42, "cifs"},   {0xfe534d42, "smb2"}, {0x517b, "smb"},
    {0x00c36400, "ceph"},    {0x01021997, "9p"},     {0x5346414f, "afs"},  {0x7461636f, "ocfs2"},
    {0x01161970, "gfs2"},    {0x0bd00bd0, "lustre"}, {0x65735546, "fuse"}, {0x01021994, "tmpfs"},
    {0x858458f6, "ramfs"},   {0xef53, "ext"},        {0x58465342, "xfs"},  {0x9123683e, "btrfs"},
    {0x794c7630, "overlay"}, {0x2fc12fc1, "zfs"},
};

std::string file_system_of(const std::string& dir) {
  struct statfs about{};
  if (::statfs(dir.c_str(), &about) != 0) return "";
  const auto number = static_cast<uint32_t>(about.f_type);
  const auto* found = std::find_if(std::begin(kMagics), std::end(kMagics),
                                   [&](const Magic& magic) { return magic.number == number; });
  return found == std::end(kMagics) ? "other" : found->name;
}

// The file has no name while it is written, so nothing is left of it whatever happens.
Result<int64_t> median_sync_us(const std::string& dir) {
  base::FileSystem& fs = base::posix_file_system();
  const std::string path = dir + "/.sluice-doctor-" + std::to_string(::getpid());
  auto file = fs.open(path, base::OpenMode::kCreate);
  if (!file) return file.error();
  SLUICE_TRY(fs.remove(path));
  SLUICE_TRY((*file)->allocate(kSyncs * kSyncBytes));
  SLUICE_TRY((*file)->sync());
  const std::string bytes(kSyncBytes, 'x');
  std::array<int64_t, kSyncs> took_us;
  for (size_t i = 0; i < took_us.size(); ++i) {
    SLUICE_TRY((*file)->pwrite(i * kSyncBytes, bytes));
    const int64_t before_us = base::monotonic_us();
    SLUICE_TRY((*file)->sync());
    took_us[i] = base::monotonic_us() - before_us;
  }
  std::sort(took_us.begin(), took_us.end());
  return std::max<int64_t>(took_us[kSyncs / 2], 1);
}

void look_inside(JournalFacts& journal) {
  base::FileSystem& fs = base::posix_file_system();
  journal.refusal = journal::refusal(journal.dir, fs);
  auto extent = journal::extent(journal.dir, fs);
  if (extent)
    journal.extent = *extent;
  else if (extent.error().cls() != ErrorClass::kNotFound)
    journal.damage = extent.error().message();
  if (const auto before = journal::predecessors(journal.dir, fs))
    journal.predecessors.assign(before->begin(), before->end());
  if (const auto files = fs.list(journal.dir)) {
    for (const base::DirectoryEntry& file : *files)
      journal.used_bytes += static_cast<int64_t>(file.bytes);
  }
}

std::string beside_this(const std::string& program) {
  std::error_code failure;
  const auto self = std::filesystem::read_symlink("/proc/self/exe", failure);
  if (failure) return "";
  const auto path = self.parent_path() / program;
  return ::access(path.c_str(), X_OK) == 0 ? path.string() : "";
}

// All that comes out of `fd` until its end; false: the time was over before.
bool read_all(int fd, int timeout_ms, std::string& text) {
  const int64_t end_us = base::monotonic_us() + int64_t{timeout_ms} * 1000;
  std::array<char, 4096> bytes;
  for (;;) {
    const int64_t left_ms = (end_us - base::monotonic_us()) / 1000;
    pollfd ready{fd, POLLIN, 0};
    if (left_ms <= 0 || ::poll(&ready, 1, static_cast<int>(left_ms)) <= 0) return false;
    const ssize_t got = ::read(fd, bytes.data(), bytes.size());
    if (got <= 0) return true;
    text.append(bytes.data(), static_cast<size_t>(got));
  }
}

}  // namespace

void look_at(JournalFacts& journal) {
  std::error_code failure;
  journal.is_there = std::filesystem::is_directory(journal.dir, failure);
  const std::string parent = std::filesystem::path(journal.dir).parent_path();
  journal.parent_is_there = std::filesystem::is_directory(parent, failure);
  if (!journal.is_there && !journal.parent_is_there) return;
  const std::string& place = journal.is_there ? journal.dir : parent;
  journal.file_system = file_system_of(place);
  if (const auto bytes = base::posix_file_system().free_bytes(place))
    journal.free_bytes = static_cast<int64_t>(*bytes);
  if (!journal.is_there) {
    if (::access(parent.c_str(), W_OK) != 0) journal.not_writable = std::strerror(errno);
    return;
  }
  look_inside(journal);
  const auto sync_us = median_sync_us(journal.dir);
  if (sync_us)
    journal.sync_us = *sync_us;
  else
    journal.not_writable = sync_us.error().message();
}

std::string complaint_of(const std::string& program, const std::string& path) {
  const std::string executable = beside_this(program);
  int ends[2];
  if (executable.empty() || ::pipe2(ends, O_CLOEXEC) != 0) return "";
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
  ::posix_spawn_file_actions_adddup2(&actions, ends[1], STDERR_FILENO);
  std::array<std::string, 4> words{executable, "--check", "--config", path};
  std::array<char*, 5> argv{words[0].data(), words[1].data(), words[2].data(), words[3].data(),
                            nullptr};
  pid_t pid = 0;
  const int failed =
      ::posix_spawn(&pid, executable.c_str(), &actions, nullptr, argv.data(), environ);
  ::posix_spawn_file_actions_destroy(&actions);
  ::close(ends[1]);
  std::string said;
  if (failed == 0 && !read_all(ends[0], kCheckTimeoutMs, said)) ::kill(pid, SIGKILL);
  ::close(ends[0]);
  if (failed != 0) return "";
  int status = 0;
  while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return "";
  const std::string prefix = program + ": ";
  if (said.starts_with(prefix)) said.erase(0, prefix.size());
  return said.substr(0, said.find('\n'));
}

int64_t open_files_max(const std::string& journal_dir) {
  std::ifstream lock(journal::path_in(journal_dir, journal::kLockName));
  std::string pid;
  if (lock && std::getline(lock, pid) && base::parse_integer(pid)) {
    std::ifstream limits("/proc/" + pid + "/limits");
    constexpr std::string_view kName = "Max open files";
    for (std::string line; std::getline(limits, line);) {
      if (!line.starts_with(kName)) continue;
      std::istringstream words(line.substr(kName.size()));
      std::string soft, hard;
      words >> soft >> hard;
      const auto number = base::parse_integer(hard);
      return number ? *number : INT64_MAX;
    }
  }
  rlimit own{};
  if (::getrlimit(RLIMIT_NOFILE, &own) != 0 || own.rlim_max == RLIM_INFINITY) return INT64_MAX;
  return static_cast<int64_t>(own.rlim_max);
}

}  // namespace sluice::ctl::doctor
