// What the figures were measured on: figures without it mean nothing.
#pragma once

#include <string>

#include "base/error.h"

namespace sluice::bench {

struct Machine {
  std::string cpu;  // model name
  int cores = 0;
  std::string kernel;      // "Linux 6.1.0 x86_64"
  std::string disk;        // file system of the data folder
  double sync_us = 0;      // median time of a 4 KiB append and fdatasync there
  double busy_cores = 0;   // cores that other programs used in the half second before
  bool in_memory = false;  // the folder is a tmpfs: syncing is free there, results are not real
};

Result<Machine> describe_machine(const std::string& folder);

}  // namespace sluice::bench
