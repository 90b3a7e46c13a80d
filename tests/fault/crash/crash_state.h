// What a disk may hold when the power goes: the durable part, and some of what is not synced.
//
// A Disk is taken through a recorded log operation by operation. What fdatasync makes durable is a
// file's content and size, not its name; names are made durable by sync_dir. Of everything since,
// a crash keeps what its policy says.
#pragma once

#include <cstdint>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "sim_file_system.h"

namespace sluice::crash {

enum class Loss {
  kKill,   // the process dies and the system lives: nothing is lost
  kAll,    // all that is unsynced
  kNone,   // nothing: all got to the disk in time, what a failed sync dropped excepted
  kSome,   // sectors, sizes and names at random, each for itself
  kAfter,  // in each file and folder all from some operation on
};

class Disk {
 public:
  explicit Disk(const Image& image);

  void apply(const Op& op);
  Image crash(Loss loss, std::mt19937_64& random) const;

 private:
  struct FileState {
    Content durable;
    Content live;
    std::vector<const Op*> unsynced;
  };
  struct FolderState {
    std::map<std::string, Inode> durable;
    std::map<std::string, Inode> live;
    std::vector<const Op*> unsynced;
  };

  std::map<Inode, FileState> files_;
  std::map<std::string, FolderState> folders_;
  Inode next_inode_ = 1;
};

}  // namespace sluice::crash
