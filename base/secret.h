// Passwords and tokens in files: the one way to read them.
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <string_view>

#include "base/error.h"

namespace sluice::base {

// The first line of the file at `path`, without a byte order mark and a CR at its end; a blank may
// be its first or last character. `key` names the file in messages, which never hold the secret.
// "" if `path` is empty: there is none. kInvalid: it cannot be read, has more than 1,024 bytes, or
// nothing but blanks.
Result<std::string> read_secret(std::string_view key, const std::string& path);

// A secret whose file somebody may exchange while the daemon runs: read again at SIGHUP and
// whenever a server refuses it. What was read before stays until something else can be read. Any
// thread.
class Secret {
 public:
  // `key` and errors as of read_secret(). Null if `path` is empty.
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
