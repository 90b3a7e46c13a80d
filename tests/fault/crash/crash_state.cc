#include "crash_state.h"

#include <algorithm>
#include <cstring>

namespace sluice::crash {
namespace {

constexpr uint64_t kSectorBytes = 512;  // written as a whole or not at all

bool coin(std::mt19937_64& random) { return (random() & 1) != 0; }

// Each sector for itself; what lies behind the end only if the new size got to the disk.
void write_some(const Op& op, Content& content, std::mt19937_64& random) {
  std::string& bytes = own(content);
  uint64_t end = op.offset + op.data.size();
  if (end > bytes.size() && coin(random)) bytes.resize(end);
  end = std::min<uint64_t>(end, bytes.size());
  for (uint64_t at = op.offset; at < end;) {
    const uint64_t next = std::min((at / kSectorBytes + 1) * kSectorBytes, end);
    if (coin(random)) std::memcpy(bytes.data() + at, op.data.data() + (at - op.offset), next - at);
    at = next;
  }
}

// How many of `count` operations, from the first on, get to the disk as a matter of course.
size_t kept(size_t count, Loss loss, std::mt19937_64& random) {
  if (loss == Loss::kNone) return count;
  return loss == Loss::kAfter ? random() % (count + 1) : 0;
}

}  // namespace

Disk::Disk(const Image& image) : next_inode_(image.next_inode) {
  for (const auto& [inode, content] : image.files) files_[inode] = {content, content, {}};
  for (const auto& [folder, names] : image.folders) folders_[folder] = {names, names, {}};
}

void Disk::apply(const Op& op) {
  if (op.kind == OpKind::kCreate) {
    files_[op.inode] = {std::make_shared<std::string>(), std::make_shared<std::string>(), {}};
    next_inode_ = op.inode + 1;
  }
  if (!op.folder.empty()) {
    FolderState& folder = folders_[op.folder];
    if (op.kind == OpKind::kSyncDir) {
      folder.durable = folder.live;
      folder.unsynced.clear();
    } else if (op.kind != OpKind::kMakeDir) {
      apply_name(op, folder.live);
      folder.unsynced.push_back(&op);
    }
    return;
  }
  FileState& file = files_.at(op.inode);
  if (op.kind == OpKind::kSync || op.kind == OpKind::kSyncFailed) {
    if (op.kind == OpKind::kSync) {
      for (const Op* before : file.unsynced) apply_data(*before, file.durable);
    }
    file.unsynced.clear();
  } else {
    apply_data(op, file.live);
    file.unsynced.push_back(&op);
  }
}

Image Disk::crash(Loss loss, std::mt19937_64& random) const {
  Image image;
  image.next_inode = next_inode_;
  for (const auto& [name, folder] : folders_) {
    auto& names = image.folders[name] = loss == Loss::kKill ? folder.live : folder.durable;
    if (loss == Loss::kKill) continue;
    const size_t first = kept(folder.unsynced.size(), loss, random);
    for (size_t i = 0; i < folder.unsynced.size(); ++i) {
      if (i < first || (loss == Loss::kSome && coin(random)))
        apply_name(*folder.unsynced[i], names);
    }
  }
  for (const auto& [folder, names] : image.folders) {
    for (const auto& [name, inode] : names) {
      const FileState& file = files_.at(inode);
      Content& content = image.files[inode] = loss == Loss::kKill ? file.live : file.durable;
      if (loss == Loss::kKill) continue;
      const size_t first = kept(file.unsynced.size(), loss, random);
      for (size_t i = 0; i < file.unsynced.size(); ++i) {
        const Op& op = *file.unsynced[i];
        if (i < first) {
          apply_data(op, content);
        } else if (loss == Loss::kSome && op.kind == OpKind::kWrite) {
          write_some(op, content, random);
        } else if (loss == Loss::kSome && coin(random)) {
          apply_data(op, content);
        }
      }
    }
  }
  return image;
}

}  // namespace sluice::crash
