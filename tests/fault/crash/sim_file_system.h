// A file system wholly in memory that remembers every operation, so that a test can rebuild what a
// disk may hold after a crash at any of them (crash_state.h).
//
// Reads see the live state. Each mutating operation is appended to one log, with its content, in
// the order in which it happened; so are the events that a test notes (an acknowledgement, a record
// handed out), which makes "before the crash" a plain comparison. Folders are durable once made:
// who makes the journal's folder is not what is tested here.
//
// Threads: any, one mutex. Log and image are read only when all who use the file system are done.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/file.h"

namespace sluice::crash {

using Inode = uint64_t;
// Shared between images until somebody writes to it.
using Content = std::shared_ptr<std::string>;

// What a disk holds: files, and by folder their names.
struct Image {
  std::map<std::string, std::map<std::string, Inode>> folders;
  std::map<Inode, Content> files;
  Inode next_inode = 1;
};

enum class OpKind {
  kCreate,    // name in folder → inode
  kWrite,     // data at offset
  kTruncate,  // to size; also of an open that replaces
  kAllocate,  // up to size, growing only
  kSync,
  kSyncFailed,  // what was unsynced is lost to the disk, but still read back
  kRename,      // name → name2 in folder
  kRemove,      // name in folder
  kMakeDir,
  kSyncDir,
};

struct Op {
  OpKind kind;
  Inode inode = 0;
  uint64_t offset = 0;  // kWrite: where; kTruncate, kAllocate: the size
  std::string data;
  std::string folder;
  std::string name;
  std::string name2;
};

enum class EventKind {
  kAcknowledged,  // a batch whose last record has this sequence; not known to be synced
  kSynced,        // somebody was told that all up to this sequence are synced
  kHandedOut,     // a reader handed out all up to this sequence
};

// Happened when `ops` operations were done and the next one was not.
struct Event {
  size_t ops = 0;
  EventKind kind;
  uint64_t sequence = 0;
};

// Applies a data operation to a file's bytes, which are copied first if they are shared.
std::string& own(Content& content);
void apply_data(const Op& op, Content& content);
void apply_name(const Op& op, std::map<std::string, Inode>& names);

// Counted from 1; 0: never.
struct Faults {
  uint64_t write = 0;                        // this pwrite does half of its work and fails
  uint64_t sync = 0;                         // this fdatasync fails
  uint64_t space_bytes = uint64_t{1} << 40;  // the disk's size
};

class SimFileSystem final : public base::FileSystem {
 public:
  explicit SimFileSystem(Image image = {}) : base_(image), live_(std::move(image)) {}

  Result<std::unique_ptr<base::File>> open(const std::string& path, base::OpenMode mode) override;
  Result<std::vector<base::DirectoryEntry>> list(const std::string& dir) override;
  Status make_dir(const std::string& dir) override;
  Status rename(const std::string& from, const std::string& to) override;
  Status remove(const std::string& path) override;
  Status sync_dir(const std::string& dir) override;
  Result<uint64_t> free_bytes(const std::string& dir) override;
  Result<std::unique_ptr<base::FileLock>> lock(const std::string& path) override;

  void note(EventKind kind, uint64_t sequence);
  void set_faults(const Faults& faults);
  uint64_t writes() const;
  uint64_t syncs() const;

  // What it was loaded with, what happened since, and what is read now.
  const Image& base() const { return base_; }
  const Image& live() const { return live_; }
  const std::vector<Op>& ops() const { return ops_; }
  const std::vector<Event>& events() const { return events_; }

 private:
  friend class SimFile;
  class Lock;

  Result<size_t> read(Inode inode, uint64_t offset, char* buffer, size_t bytes);
  Status write(Inode inode, uint64_t offset, std::string_view bytes);
  Status resize(OpKind kind, Inode inode, uint64_t bytes);
  Status sync(Inode inode);
  uint64_t size(Inode inode);
  // The mutex is held for all below.
  void change(Op op);
  uint64_t used_bytes() const;
  Inode find(const std::string& path) const;  // 0: none

  const Image base_;
  mutable std::mutex mutex_;  // guards all below
  Image live_;
  std::vector<Op> ops_;
  std::vector<Event> events_;
  std::set<std::string> locked_;
  Faults faults_;
  uint64_t writes_ = 0;
  uint64_t syncs_ = 0;
};

}  // namespace sluice::crash
