#include "proxy/front/user_directory.h"

#include "base/file.h"

namespace sluice::proxy::front {
namespace {

Result<std::shared_ptr<const Users>> load(const std::string& path) {
  const auto text = base::read_file(base::posix_file_system(), path, Users::kFileBytesMax);
  if (!text) {
    return Error(ErrorClass::kInvalid, "auth.users_file: " + text.error().message() +
                                           "; it must be a readable file of users");
  }
  auto users = Users::parse(*text, path);
  if (!users) return users.error().at("auth.users_file");
  return std::make_shared<const Users>(*std::move(users));
}

}  // namespace

Result<std::unique_ptr<UserDirectory>> UserDirectory::open(const std::string& path) {
  auto users = load(path);
  if (!users) return users.error();
  std::unique_ptr<UserDirectory> directory(new UserDirectory(path));
  directory->users_ = *std::move(users);
  return directory;
}

std::shared_ptr<const Users> UserDirectory::users() const {
  const std::lock_guard lock(mutex_);
  return users_;
}

Status UserDirectory::reload() {
  auto users = load(path_);
  if (!users) return users.error();
  {
    const std::lock_guard lock(mutex_);
    users_ = *std::move(users);
  }
  if (changed_) changed_();
  return {};
}

}  // namespace sluice::proxy::front
