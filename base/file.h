// Files and directories behind a seam: everything that must survive a crash goes through here.
//
// The journal gets a `FileSystem&` from main.cc. `posix_file_system()` is the real one; tests put
// others in its place that fail the n-th write or forget what was not synced.
//
// What completion promises: a `pwrite` that succeeded is visible to every reader, but survives a
// power cut only after `sync()` of that file; a file's name survives only after `sync_dir()` of its
// folder. A failed `sync()` says that bytes may be lost although later calls succeed (the kernel
// drops the dirty pages), so it must never be repeated in the hope of a better answer.
//
// Threads: a FileSystem is used by any; on one File, calls may run at the same time except close().
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"

namespace sluice::base {

enum class OpenMode {
  kRead,       // must exist
  kReadWrite,  // must exist
  kCreate,     // must not exist (kExists otherwise); read and write
  kReplace,    // created, or emptied if it exists; read and write
};

class File {
 public:
  virtual ~File() = default;

  // Fills `buffer` from `offset`; fewer bytes than asked for only at the end of the file.
  virtual Result<size_t> pread(uint64_t offset, char* buffer, size_t bytes) = 0;
  // All of `bytes`, or an error with an unknown part of them written.
  virtual Status pwrite(uint64_t offset, std::string_view bytes) = 0;
  // fdatasync: content and size.
  virtual Status sync() = 0;
  // Makes [0, bytes) real disk space that reads as zeros where nothing was written; grows the file.
  virtual Status allocate(uint64_t bytes) = 0;
  virtual Status truncate(uint64_t bytes) = 0;
  virtual Result<uint64_t> size() = 0;
  // The destructor closes too, but cannot tell of an error.
  virtual Status close() = 0;

  const std::string& path() const { return path_; }

 protected:
  explicit File(std::string path) : path_(std::move(path)) {}

 private:
  const std::string path_;
};

// Holds an exclusive lock until it is destroyed, or the process ends in whatever way.
class FileLock {
 public:
  virtual ~FileLock() = default;
};

struct DirectoryEntry {
  std::string name;
  uint64_t bytes = 0;
  bool is_directory = false;
};

class FileSystem {
 public:
  virtual ~FileSystem() = default;

  // kNotFound or kExists as the mode says.
  virtual Result<std::unique_ptr<File>> open(const std::string& path, OpenMode mode) = 0;
  // Without "." and "..", sorted by name; entries that vanish meanwhile are left out.
  virtual Result<std::vector<DirectoryEntry>> list(const std::string& dir) = 0;
  // One level, mode 0750; one that exists already is fine. Its name in the folder above is synced.
  virtual Status make_dir(const std::string& dir) = 0;
  // Replaces `to` if it exists.
  virtual Status rename(const std::string& from, const std::string& to) = 0;
  // kNotFound if there is none.
  virtual Status remove(const std::string& path) = 0;
  virtual Status sync_dir(const std::string& dir) = 0;
  virtual Result<uint64_t> free_bytes(const std::string& dir) = 0;
  // Creates the file if needed and writes this process's id into it. Held already, by this process
  // or another: kExists, naming the holder's id.
  virtual Result<std::unique_ptr<FileLock>> lock(const std::string& path) = 0;
};

FileSystem& posix_file_system();

// The whole file; kInvalid if it is larger than `bytes_max`.
Result<std::string> read_file(FileSystem& fs, const std::string& path, size_t bytes_max);
// What editors may put in front of a text is none of it.
std::string_view without_byte_order_mark(std::string_view text);
// Replaces the file's content and syncs it; the caller syncs the folder.
Status write_file(FileSystem& fs, const std::string& path, std::string_view bytes);
// Makes `dir`/`name` of these bytes by way of `name`.next: at any moment the old file is there or
// the new one, whole. Durable when it returns.
Status replace_file(FileSystem& fs, const std::string& dir, std::string_view name,
                    std::string_view bytes);

}  // namespace sluice::base
