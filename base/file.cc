#include "base/file.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <utility>

namespace sluice::base {
namespace {

// Linux writes at most 2 GiB - 4 KiB a call; a smaller step also bounds what a signal delays.
constexpr size_t kTransferBytesMax = size_t{256} << 20;

Error path_error(int error_number, std::string_view what, const std::string& path) {
  const std::string text = std::string(what) + " " + path;
  Error error = errno_error(error_number, text);
  if (error_number == ENOENT) return Error(ErrorClass::kNotFound, error.message());
  if (error_number == EEXIST) return Error(ErrorClass::kExists, error.message());
  return error;
}

// Repeats a call that a signal interrupted before it did anything.
template <class Call>
auto uninterrupted(Call call) {
  decltype(call()) result;
  do {
    result = call();
  } while (result < 0 && errno == EINTR);
  return result;
}

class PosixFile final : public File {
 public:
  PosixFile(std::string path, int fd) : File(std::move(path)), fd_(fd) {}
  ~PosixFile() override {
    if (fd_ >= 0) ::close(fd_);
  }
  PosixFile(const PosixFile&) = delete;
  PosixFile& operator=(const PosixFile&) = delete;

  Result<size_t> pread(uint64_t offset, char* buffer, size_t bytes) override {
    size_t done = 0;
    while (done < bytes) {
      const size_t step = std::min(bytes - done, kTransferBytesMax);
      const ssize_t n = uninterrupted([&] {
        return ::pread(fd_, buffer + done, step, static_cast<off_t>(offset + done));
      });
      if (n < 0) return path_error(errno, "read", path());
      if (n == 0) break;
      done += static_cast<size_t>(n);
    }
    return done;
  }

  Status pwrite(uint64_t offset, std::string_view bytes) override {
    while (!bytes.empty()) {
      const size_t step = std::min(bytes.size(), kTransferBytesMax);
      const ssize_t n = uninterrupted(
          [&] { return ::pwrite(fd_, bytes.data(), step, static_cast<off_t>(offset)); });
      if (n < 0) return path_error(errno, "write", path());
      // A device that takes nothing and says nothing would keep this loop for ever.
      if (n == 0) return path_error(EIO, "write", path());
      bytes.remove_prefix(static_cast<size_t>(n));
      offset += static_cast<uint64_t>(n);
    }
    return {};
  }

  // No repetition here, not even on EINTR: fdatasync does not return it for disk files, and a
  // second call after a failed one reports success for pages that were dropped.
  Status sync() override {
    if (::fdatasync(fd_) != 0) return path_error(errno, "fdatasync", path());
    return {};
  }

  Status allocate(uint64_t bytes) override {
    const int failed =
        uninterrupted([&] { return ::fallocate(fd_, 0, 0, static_cast<off_t>(bytes)); });
    if (failed == 0) return {};
    if (errno != EOPNOTSUPP && errno != ENOSYS) return path_error(errno, "allocate", path());
    return write_zeros(bytes);
  }

  Status truncate(uint64_t bytes) override {
    if (uninterrupted([&] { return ::ftruncate(fd_, static_cast<off_t>(bytes)); }) != 0) {
      return path_error(errno, "truncate", path());
    }
    return {};
  }

  Result<uint64_t> size() override {
    struct stat status {};
    if (::fstat(fd_, &status) != 0) return path_error(errno, "stat", path());
    return static_cast<uint64_t>(status.st_size);
  }

  Status close() override {
    const int fd = std::exchange(fd_, -1);
    // After EINTR the descriptor is gone all the same on Linux.
    if (fd >= 0 && ::close(fd) != 0 && errno != EINTR) return path_error(errno, "close", path());
    return {};
  }

 private:
  // For file systems without fallocate: what lies behind the present end becomes zeros.
  Status write_zeros(uint64_t bytes) {
    auto offset = size();
    if (!offset) return offset.error();
    const std::string zeros(size_t{1} << 20, '\0');
    for (uint64_t at = *offset; at < bytes;) {
      const size_t step = static_cast<size_t>(std::min<uint64_t>(zeros.size(), bytes - at));
      SLUICE_TRY(pwrite(at, std::string_view(zeros).substr(0, step)));
      at += step;
    }
    return {};
  }

  int fd_;
};

// flock() and not fcntl(): its lock belongs to the open file, so that a second opener in the same
// process is refused as well, and closing an unrelated descriptor does not drop it.
class PosixLock final : public FileLock {
 public:
  explicit PosixLock(int fd) : fd_(fd) {}
  ~PosixLock() override { ::close(fd_); }
  PosixLock(const PosixLock&) = delete;
  PosixLock& operator=(const PosixLock&) = delete;

 private:
  const int fd_;
};

std::string lock_holder(int fd) {
  char text[32];
  const ssize_t n = ::pread(fd, text, sizeof text, 0);
  std::string pid(text, n > 0 ? static_cast<size_t>(n) : 0);
  pid.erase(std::find_if_not(pid.begin(), pid.end(), [](char c) { return c >= '0' && c <= '9'; }),
            pid.end());
  return pid.empty() ? "another process" : "process " + pid;
}

int open_flags(OpenMode mode) {
  switch (mode) {
    case OpenMode::kRead: return O_RDONLY;
    case OpenMode::kReadWrite: return O_RDWR;
    case OpenMode::kCreate: return O_RDWR | O_CREAT | O_EXCL;
    case OpenMode::kReplace: return O_RDWR | O_CREAT | O_TRUNC;
  }
  return O_RDONLY;
}

// The folder that `dir`, with or without a slash at its end, stands in.
std::string folder_of(std::string dir) {
  while (dir.size() > 1 && dir.back() == '/') dir.pop_back();
  const std::string parent = std::filesystem::path(dir).parent_path();
  return parent.empty() ? "." : parent;
}

class PosixFileSystem final : public FileSystem {
 public:
  Result<std::unique_ptr<File>> open(const std::string& path, OpenMode mode) override {
    const int fd =
        uninterrupted([&] { return ::open(path.c_str(), open_flags(mode) | O_CLOEXEC, 0640); });
    if (fd < 0) return path_error(errno, "open", path);
    return std::unique_ptr<File>(std::make_unique<PosixFile>(path, fd));
  }

  Result<std::vector<DirectoryEntry>> list(const std::string& dir) override {
    DIR* stream = ::opendir(dir.c_str());
    if (stream == nullptr) return path_error(errno, "open folder", dir);
    std::vector<DirectoryEntry> entries;
    int failed = 0;
    for (;;) {
      errno = 0;
      const dirent* found = ::readdir(stream);
      if (found == nullptr) {
        failed = errno;
        break;
      }
      const std::string name = found->d_name;
      struct stat status {};
      if (name == "." || name == "..") continue;
      if (::fstatat(::dirfd(stream), name.c_str(), &status, 0) != 0) continue;
      entries.push_back({name, static_cast<uint64_t>(status.st_size), S_ISDIR(status.st_mode)});
    }
    ::closedir(stream);
    if (failed != 0) return path_error(failed, "list", dir);
    std::sort(entries.begin(), entries.end(),
              [](const auto& a, const auto& b) { return a.name < b.name; });
    return entries;
  }

  Status make_dir(const std::string& dir) override {
    const std::string parent = folder_of(dir);
    if (::mkdir(dir.c_str(), 0750) == 0) return sync_dir(parent);
    const int failed = errno;
    struct stat status {};
    if (failed != EEXIST || ::stat(dir.c_str(), &status) != 0 || !S_ISDIR(status.st_mode)) {
      return path_error(failed, "create folder", dir);
    }
    // Perhaps made by a process that died before it could sync the name. Best effort: a folder made
    // by its administrator may lie in one that we must not read.
    (void)sync_dir(parent);
    return {};
  }

  Status rename(const std::string& from, const std::string& to) override {
    if (::rename(from.c_str(), to.c_str()) == 0) return {};
    return path_error(errno, "rename to " + to + " from", from);
  }

  Status remove(const std::string& path) override {
    if (::unlink(path.c_str()) == 0) return {};
    return path_error(errno, "remove", path);
  }

  Status sync_dir(const std::string& dir) override {
    const int fd = uninterrupted(
        [&] { return ::open(dir.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC); });
    if (fd < 0) return path_error(errno, "open folder", dir);
    const int failed = ::fsync(fd) == 0 ? 0 : errno;
    ::close(fd);
    if (failed != 0) return path_error(failed, "fsync folder", dir);
    return {};
  }

  Result<uint64_t> free_bytes(const std::string& dir) override {
    struct statvfs status {};
    if (uninterrupted([&] { return ::statvfs(dir.c_str(), &status); }) != 0) {
      return path_error(errno, "statvfs", dir);
    }
    return static_cast<uint64_t>(status.f_bavail) * status.f_frsize;
  }

  Result<std::unique_ptr<FileLock>> lock(const std::string& path) override {
    const int fd =
        uninterrupted([&] { return ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0640); });
    if (fd < 0) return path_error(errno, "open", path);
    auto held = std::make_unique<PosixLock>(fd);
    if (uninterrupted([&] { return ::flock(fd, LOCK_EX | LOCK_NB); }) != 0) {
      if (errno != EWOULDBLOCK) return path_error(errno, "lock", path);
      return Error(ErrorClass::kExists, path + " is locked by " + lock_holder(fd));
    }
    // Only for the message above; a lock without its holder's name is still a lock.
    const std::string pid = std::to_string(::getpid()) + "\n";
    if (::ftruncate(fd, 0) != 0 || ::pwrite(fd, pid.data(), pid.size(), 0) < 0) errno = 0;
    return std::unique_ptr<FileLock>(std::move(held));
  }
};

}  // namespace

FileSystem& posix_file_system() {
  static PosixFileSystem fs;  // stateless
  return fs;
}

Result<std::string> read_file(FileSystem& fs, const std::string& path, size_t bytes_max) {
  auto file = fs.open(path, OpenMode::kRead);
  if (!file) return file.error();
  auto size = (*file)->size();
  if (!size) return size.error();
  if (*size > bytes_max) {
    return Error(ErrorClass::kInvalid, path + " has " + std::to_string(*size) +
                                           " bytes; at most " + std::to_string(bytes_max) +
                                           " are allowed");
  }
  std::string bytes(static_cast<size_t>(*size), '\0');
  auto read = (*file)->pread(0, bytes.data(), bytes.size());
  if (!read) return read.error();
  bytes.resize(*read);
  return bytes;
}

std::string_view without_byte_order_mark(std::string_view text) {
  constexpr std::string_view kMark = "\xef\xbb\xbf";
  return text.starts_with(kMark) ? text.substr(kMark.size()) : text;
}

Status write_file(FileSystem& fs, const std::string& path, std::string_view bytes) {
  auto file = fs.open(path, OpenMode::kReplace);
  if (!file) return file.error();
  SLUICE_TRY((*file)->pwrite(0, bytes));
  SLUICE_TRY((*file)->sync());
  return (*file)->close();
}

Status replace_file(FileSystem& fs, const std::string& dir, std::string_view name,
                    std::string_view bytes) {
  const std::string path = dir + "/" + std::string(name), next = path + ".next";
  SLUICE_TRY(write_file(fs, next, bytes));
  SLUICE_TRY(fs.rename(next, path));
  return fs.sync_dir(dir);
}

}  // namespace sluice::base
