// The running configuration, shared by CONFIG GET|SET sluice.* on every I/O thread and SIGHUP.
#pragma once

#include <functional>
#include <mutex>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/config.h"

namespace sluice::proxy::front {

class LiveConfig {
 public:
  // `apply` puts the live values to work after each change; it is called under the lock.
  LiveConfig(base::Config config, std::function<void(const base::Config&)> apply)
      : config_(std::move(config)), apply_(std::move(apply)) {}

  // Name and text of the keys that match `pattern` ("sluice." in front, '*' and '?' as in Redis).
  std::vector<std::pair<std::string, std::string>> get(std::string_view pattern) const;
  // All pairs ("sluice.KEY", text) or none. Errors are worded for the client, without "ERR".
  Status set(const std::vector<std::pair<std::string_view, std::string_view>>& pairs);
  // Takes over the live keys of a file read anew.
  struct Undone {
    std::string name, was, now;  // what CONFIG SET had set, and what the file has
  };
  struct Reloaded {
    std::vector<Undone> undone;
    std::vector<std::string> need_restart;  // by name: they differ, and are not live
  };
  Reloaded reload(const base::Config& fresh);

 private:
  mutable std::mutex mutex_;
  base::Config config_;                // guarded by mutex_
  std::set<std::string_view> is_set_;  // by CONFIG SET, since the last reload; guarded by mutex_
  const std::function<void(const base::Config&)> apply_;
};

}  // namespace sluice::proxy::front
