// A folder that is gone, with everything in it, when its owner is.
#pragma once

#include <string>
#include <utility>

#include "base/error.h"

namespace sluice::bench {

class TempFolder {
 public:
  // Makes parent/sluice-bench-XXXXXX, for this user alone.
  static Result<TempFolder> create(const std::string& parent);
  ~TempFolder();
  TempFolder(TempFolder&& other) noexcept : path_(std::exchange(other.path_, {})) {}
  TempFolder& operator=(TempFolder&&) = delete;

  const std::string& path() const { return path_; }

 private:
  explicit TempFolder(std::string path) : path_(std::move(path)) {}

  std::string path_;  // empty: moved from
};

}  // namespace sluice::bench
