#include "sim_file_system.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace sluice::crash {
namespace {

struct Place {
  std::string folder;
  std::string name;
};

Place split(const std::string& path) {
  const size_t slash = path.rfind('/');
  if (slash == std::string::npos) return {"", path};
  return {path.substr(0, slash), path.substr(slash + 1)};
}

Error not_found(const std::string& path) {
  return Error(ErrorClass::kNotFound, path + ": no such file");
}

Error io_error(const char* what) {
  return Error(ErrorClass::kIo, std::string(what) + ": simulated input/output error");
}

Error no_space() { return Error(ErrorClass::kNoSpace, "simulated: no space left on device"); }

}  // namespace

std::string& own(Content& content) {
  if (content.use_count() > 1) content = std::make_shared<std::string>(*content);
  return *content;
}

void apply_data(const Op& op, Content& content) {
  std::string& bytes = own(content);
  if (op.kind == OpKind::kWrite) {
    bytes.resize(std::max<size_t>(bytes.size(), op.offset + op.data.size()));
    std::memcpy(bytes.data() + op.offset, op.data.data(), op.data.size());
  } else if (op.kind == OpKind::kTruncate) {
    bytes.resize(op.offset);
  } else if (op.kind == OpKind::kAllocate) {
    bytes.resize(std::max<size_t>(bytes.size(), op.offset));
  }
}

void apply_name(const Op& op, std::map<std::string, Inode>& names) {
  if (op.kind == OpKind::kCreate) names[op.name] = op.inode;
  if (op.kind == OpKind::kRemove) names.erase(op.name);
  if (op.kind == OpKind::kRename) {
    // The name may stand for a newer file already, if what happened in between was kept as well.
    const auto from = names.find(op.name);
    if (from != names.end() && from->second == op.inode) names.erase(from);
    names[op.name2] = op.inode;
  }
}

class SimFile final : public base::File {
 public:
  SimFile(std::string path, SimFileSystem& fs, Inode inode)
      : File(std::move(path)), fs_(fs), inode_(inode) {}

  Result<size_t> pread(uint64_t offset, char* buffer, size_t bytes) override {
    return fs_.read(inode_, offset, buffer, bytes);
  }
  Status pwrite(uint64_t offset, std::string_view bytes) override {
    return fs_.write(inode_, offset, bytes);
  }
  Status sync() override { return fs_.sync(inode_); }
  Status allocate(uint64_t bytes) override { return fs_.resize(OpKind::kAllocate, inode_, bytes); }
  Status truncate(uint64_t bytes) override { return fs_.resize(OpKind::kTruncate, inode_, bytes); }
  Result<uint64_t> size() override { return fs_.size(inode_); }
  Status close() override { return {}; }

 private:
  SimFileSystem& fs_;
  const Inode inode_;
};

class SimFileSystem::Lock final : public base::FileLock {
 public:
  Lock(SimFileSystem& fs, std::string path) : fs_(fs), path_(std::move(path)) {}
  ~Lock() override {
    const std::lock_guard lock(fs_.mutex_);
    fs_.locked_.erase(path_);
  }
  Lock(const Lock&) = delete;
  Lock& operator=(const Lock&) = delete;

 private:
  SimFileSystem& fs_;
  const std::string path_;
};

Result<std::unique_ptr<base::File>> SimFileSystem::open(const std::string& path,
                                                        base::OpenMode mode) {
  const std::lock_guard lock(mutex_);
  Inode inode = find(path);
  const bool creates = mode == base::OpenMode::kCreate || mode == base::OpenMode::kReplace;
  if (inode == 0 && !creates) return not_found(path);
  if (inode != 0 && mode == base::OpenMode::kCreate) {
    return Error(ErrorClass::kExists, path + " exists");
  }
  if (inode == 0) {
    const Place place = split(path);
    if (!live_.folders.contains(place.folder)) return not_found(place.folder);
    inode = live_.next_inode++;
    change({.kind = OpKind::kCreate, .inode = inode, .folder = place.folder, .name = place.name});
  } else if (mode == base::OpenMode::kReplace) {
    change({.kind = OpKind::kTruncate, .inode = inode});
  }
  return std::unique_ptr<base::File>(std::make_unique<SimFile>(path, *this, inode));
}

Result<std::vector<base::DirectoryEntry>> SimFileSystem::list(const std::string& dir) {
  const std::lock_guard lock(mutex_);
  const auto folder = live_.folders.find(dir);
  if (folder == live_.folders.end()) return not_found(dir);
  std::vector<base::DirectoryEntry> entries;
  for (const auto& [name, inode] : folder->second) {
    entries.push_back({name, live_.files.at(inode)->size(), false});
  }
  return entries;
}

Status SimFileSystem::make_dir(const std::string& dir) {
  const std::lock_guard lock(mutex_);
  if (!live_.folders.contains(dir)) change({.kind = OpKind::kMakeDir, .folder = dir});
  return {};
}

Status SimFileSystem::rename(const std::string& from, const std::string& to) {
  const std::lock_guard lock(mutex_);
  const Inode inode = find(from);
  if (inode == 0) return not_found(from);
  const Place old = split(from);
  change({.kind = OpKind::kRename,
          .inode = inode,
          .folder = old.folder,
          .name = old.name,
          .name2 = split(to).name});
  return {};
}

Status SimFileSystem::remove(const std::string& path) {
  const std::lock_guard lock(mutex_);
  const Inode inode = find(path);
  if (inode == 0) return not_found(path);
  const Place place = split(path);
  change({.kind = OpKind::kRemove, .inode = inode, .folder = place.folder, .name = place.name});
  return {};
}

Status SimFileSystem::sync_dir(const std::string& dir) {
  const std::lock_guard lock(mutex_);
  if (!live_.folders.contains(dir)) return not_found(dir);
  change({.kind = OpKind::kSyncDir, .folder = dir});
  return {};
}

Result<uint64_t> SimFileSystem::free_bytes(const std::string&) {
  const std::lock_guard lock(mutex_);
  return faults_.space_bytes - std::min(used_bytes(), faults_.space_bytes);
}

Result<std::unique_ptr<base::FileLock>> SimFileSystem::lock(const std::string& path) {
  if (auto file = open(path, base::OpenMode::kReadWrite); !file) {
    auto created = open(path, base::OpenMode::kCreate);
    if (!created && created.error().cls() != ErrorClass::kExists) return created.error();
  }
  const std::lock_guard lock(mutex_);
  if (!locked_.insert(path).second) return Error(ErrorClass::kExists, path + " is locked");
  return std::unique_ptr<base::FileLock>(std::make_unique<Lock>(*this, path));
}

void SimFileSystem::note(EventKind kind, uint64_t sequence) {
  const std::lock_guard lock(mutex_);
  events_.push_back({ops_.size(), kind, sequence});
}

void SimFileSystem::set_faults(const Faults& faults) {
  const std::lock_guard lock(mutex_);
  faults_ = faults;
}

uint64_t SimFileSystem::writes() const {
  const std::lock_guard lock(mutex_);
  return writes_;
}

uint64_t SimFileSystem::syncs() const {
  const std::lock_guard lock(mutex_);
  return syncs_;
}

Result<size_t> SimFileSystem::read(Inode inode, uint64_t offset, char* buffer, size_t bytes) {
  const std::lock_guard lock(mutex_);
  const std::string& content = *live_.files.at(inode);
  if (offset >= content.size()) return size_t{0};
  const size_t length = std::min<size_t>(bytes, content.size() - offset);
  std::memcpy(buffer, content.data() + offset, length);
  return length;
}

Status SimFileSystem::write(Inode inode, uint64_t offset, std::string_view bytes) {
  const std::lock_guard lock(mutex_);
  const uint64_t size = live_.files.at(inode)->size();
  const uint64_t end = offset + bytes.size();
  if (end > size && used_bytes() + end - size > faults_.space_bytes) return no_space();
  const bool fails = ++writes_ == faults_.write;
  if (fails) bytes = bytes.substr(0, bytes.size() / 2);
  change({.kind = OpKind::kWrite, .inode = inode, .offset = offset, .data = std::string(bytes)});
  return fails ? Status(io_error("pwrite")) : Status();
}

Status SimFileSystem::resize(OpKind kind, Inode inode, uint64_t bytes) {
  const std::lock_guard lock(mutex_);
  const uint64_t size = live_.files.at(inode)->size();
  if (bytes > size && used_bytes() + bytes - size > faults_.space_bytes) return no_space();
  change({.kind = kind, .inode = inode, .offset = bytes});
  return {};
}

Status SimFileSystem::sync(Inode inode) {
  const std::lock_guard lock(mutex_);
  const bool fails = ++syncs_ == faults_.sync;
  change({.kind = fails ? OpKind::kSyncFailed : OpKind::kSync, .inode = inode});
  return fails ? Status(io_error("fdatasync")) : Status();
}

uint64_t SimFileSystem::size(Inode inode) {
  const std::lock_guard lock(mutex_);
  return live_.files.at(inode)->size();
}

void SimFileSystem::change(Op op) {
  if (op.kind == OpKind::kCreate) live_.files[op.inode] = std::make_shared<std::string>();
  if (op.kind == OpKind::kMakeDir) {
    live_.folders[op.folder];
  } else if (!op.folder.empty()) {
    apply_name(op, live_.folders[op.folder]);
  } else {
    apply_data(op, live_.files.at(op.inode));
  }
  ops_.push_back(std::move(op));
}

uint64_t SimFileSystem::used_bytes() const {
  uint64_t bytes = 0;
  for (const auto& [folder, names] : live_.folders) {
    for (const auto& [name, inode] : names) bytes += live_.files.at(inode)->size();
  }
  return bytes;
}

Inode SimFileSystem::find(const std::string& path) const {
  const Place place = split(path);
  const auto folder = live_.folders.find(place.folder);
  if (folder == live_.folders.end()) return 0;
  const auto found = folder->second.find(place.name);
  return found == folder->second.end() ? 0 : found->second;
}

}  // namespace sluice::crash
