// A password in the first line of a file, which somebody may exchange while the daemon runs: read
// again at SIGHUP and whenever a server refuses it. What was read before stays until something else
// can be read. Any thread.
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <string_view>

#include "base/error.h"

namespace sluice::base {

class Secret {
 public:
  // `key` names the file in messages, which never hold the secret. kInvalid: it cannot be read.
  static Result<std::shared_ptr<Secret>> open(std::string_view key, const std::string& path);

  std::string value() const;
  // Whether it is another one now. kInvalid: it cannot be read, and nothing has changed.
  Result<bool> reload();
  // The same, and the log tells what came of it; false: it could not be read.
  bool reload_and_tell();

 private:
  Secret(std::string_view key, std::string path, std::string value)
      : key_(key), path_(std::move(path)), value_(std::move(value)) {}

  const std::string key_;
  const std::string path_;
  mutable std::mutex mutex_;
  std::string value_;  // guarded by mutex_
};

}  // namespace sluice::base
