// The real file system, with a hook before every operation that may fail it or hold it up. Counts
// what is read of segments.
#pragma once

#include <atomic>
#include <cerrno>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "base/file.h"

namespace sluice::journal {

class FaultyFileSystem final : public base::FileSystem {
 public:
  // `operation`: "open", "pwrite", "sync", "allocate", "truncate", "rename", "remove", "sync_dir",
  // "free_bytes". An error replaces the operation. Runs on the calling thread.
  using Hook = std::function<Status(const std::string& operation, const std::string& path)>;

  explicit FaultyFileSystem(base::FileSystem& real) : real_(real) {}

  void set_hook(Hook hook) {
    const std::lock_guard lock(mutex_);
    hook_ = std::move(hook);
  }
  // From now on, the n-th (from 1) `operation` and all later ones fail with `error_number`.
  void fail(const std::string& operation, int n, int error_number) {
    auto left = std::make_shared<std::atomic<int>>(n);
    set_hook([=](const std::string& called, const std::string& path) -> Status {
      if (called != operation || left->fetch_sub(1) > 1) return {};
      return base::errno_error(error_number, operation + " " + path);
    });
  }
  // Syncs succeed without being done: for tests of damage, which try thousands of folders.
  void skip_syncs() { skip_syncs_ = true; }
  // What free_bytes() says from now on.
  void set_free_bytes(uint64_t bytes) { free_bytes_ = bytes; }
  // Read from segments since the last call.
  uint64_t take_segment_bytes_read() { return segment_bytes_read_.exchange(0); }
  // Names of the operations since the last call, "operation file-name".
  std::vector<std::string> take_calls() {
    const std::lock_guard lock(mutex_);
    return std::exchange(calls_, {});
  }

  Result<std::unique_ptr<base::File>> open(const std::string& path,
                                           base::OpenMode mode) override {
    SLUICE_TRY(before("open", path));
    auto file = real_.open(path, mode);
    if (!file) return file.error();
    return std::unique_ptr<base::File>(std::make_unique<Wrapped>(*this, std::move(*file)));
  }
  Result<std::vector<base::DirectoryEntry>> list(const std::string& dir) override {
    return real_.list(dir);
  }
  Status make_dir(const std::string& dir) override { return real_.make_dir(dir); }
  Status rename(const std::string& from, const std::string& to) override {
    SLUICE_TRY(before("rename", to));
    return real_.rename(from, to);
  }
  Status remove(const std::string& path) override {
    SLUICE_TRY(before("remove", path));
    return real_.remove(path);
  }
  Status sync_dir(const std::string& dir) override {
    SLUICE_TRY(before("sync_dir", dir));
    return skip_syncs_ ? Status() : real_.sync_dir(dir);
  }
  Result<uint64_t> free_bytes(const std::string& dir) override {
    SLUICE_TRY(before("free_bytes", dir));
    const uint64_t told = free_bytes_;
    return told == kAsIs ? real_.free_bytes(dir) : Result<uint64_t>(told);
  }
  Result<std::unique_ptr<base::FileLock>> lock(const std::string& path) override {
    return real_.lock(path);
  }

 private:
  class Wrapped final : public base::File {
   public:
    Wrapped(FaultyFileSystem& fs, std::unique_ptr<base::File> real)
        : File(real->path()), fs_(fs), real_(std::move(real)) {}
    Result<size_t> pread(uint64_t offset, char* buffer, size_t bytes) override {
      auto read = real_->pread(offset, buffer, bytes);
      if (read && path().ends_with(".segment")) fs_.segment_bytes_read_ += *read;
      return read;
    }
    Status pwrite(uint64_t offset, std::string_view bytes) override {
      SLUICE_TRY(fs_.before("pwrite", path()));
      return real_->pwrite(offset, bytes);
    }
    Status sync() override {
      SLUICE_TRY(fs_.before("sync", path()));
      return fs_.skip_syncs_ ? Status() : real_->sync();
    }
    Status allocate(uint64_t bytes) override {
      SLUICE_TRY(fs_.before("allocate", path()));
      return real_->allocate(bytes);
    }
    Status truncate(uint64_t bytes) override {
      SLUICE_TRY(fs_.before("truncate", path()));
      return real_->truncate(bytes);
    }
    Result<uint64_t> size() override { return real_->size(); }
    Status close() override { return real_->close(); }

   private:
    FaultyFileSystem& fs_;
    const std::unique_ptr<base::File> real_;
  };

  Status before(const std::string& operation, const std::string& path) {
    Hook hook;
    {
      const std::lock_guard lock(mutex_);
      calls_.push_back(operation + " " + path.substr(path.rfind('/') + 1));
      hook = hook_;
    }
    return hook ? hook(operation, path) : Status();
  }

  base::FileSystem& real_;
  std::atomic<bool> skip_syncs_{false};
  static constexpr uint64_t kAsIs = UINT64_MAX;
  std::atomic<uint64_t> free_bytes_{kAsIs};
  std::atomic<uint64_t> segment_bytes_read_{0};
  std::mutex mutex_;
  Hook hook_;                       // guarded by mutex_
  std::vector<std::string> calls_;  // guarded by mutex_
};

}  // namespace sluice::journal
