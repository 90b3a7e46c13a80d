// The users in force, read from auth.users_file at the start and again on SIGHUP and ACL LOAD.
//
//   SIGHUP, ACL LOAD ─► reload() ─► new Users ─► on_change ─► every worker ─► every session
//
// One for the process, made by main.cc; null where the config names no users file. Any thread.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <string>

#include "base/error.h"
#include "proxy/front/login.h"
#include "proxy/front/users.h"
#include "proxy/upstream/command_catalog.h"

namespace sluice::proxy::front {

class UserDirectory {
 public:
  // kInvalid: the file cannot be read, or a line of it; the message says which.
  static Result<std::unique_ptr<UserDirectory>> open(const std::string& path);

  const std::string& path() const { return path_; }
  std::shared_ptr<const Users> users() const;
  // Reads the file, a small local one, at once. On error all stays as it was; also where a rule
  // names a command or category that Redis is known not to have.
  Status reload();
  // What Redis has; told by one I/O thread whenever it has asked.
  void know(upstream::CatalogPtr catalog);
  // Called after each reload, from the thread that reloads; also after one that was refused for
  // what Redis does not have, because a module may just have brought it. Set before the threads
  // start.
  void on_change(std::function<void()> changed) { changed_ = std::move(changed); }

  LoginThrottle& throttle() { return throttle_; }

 private:
  explicit UserDirectory(std::string path) : path_(std::move(path)) {}

  const std::string path_;
  std::function<void()> changed_;
  LoginThrottle throttle_;
  mutable std::mutex mutex_;
  std::shared_ptr<const Users> users_;  // guarded by mutex_
  upstream::CatalogPtr catalog_;        // guarded by mutex_; null until Redis was reached
};

}  // namespace sluice::proxy::front
