#include "proxy/front/user_directory.h"

#include <utility>

#include "base/file.h"
#include "proxy/front/permission.h"

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

// As Redis refuses such a file. One that is read before Redis was reached is taken as it is.
Status check(const Users& users, const upstream::CommandCatalog& catalog, const std::string& path) {
  for (const UserPtr& user : users.all()) {
    const auto unknown = Permission::unknown_rules(*user, catalog);
    if (unknown.empty()) continue;
    const std::string& rule = unknown.front();
    const std::string noun = rule[1] == '@' ? "category" : "command";
    return Error(ErrorClass::kInvalid,
                 "auth.users_file: " + path + ": user " + user->name + ": " + rule +
                     " names no " + noun + " of Redis or Sluice; correct it, or if a module has "
                     "just brought it, load the file again");
  }
  return {};
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

void UserDirectory::know(upstream::CatalogPtr catalog) {
  const std::lock_guard lock(mutex_);
  catalog_ = std::move(catalog);
}

Status UserDirectory::reload() {
  auto users = load(path_);
  if (!users) return users.error();
  Status status;
  {
    const std::lock_guard lock(mutex_);
    if (catalog_ != nullptr) status = check(**users, *catalog_, path_);
    if (status) users_ = *std::move(users);
  }
  if (changed_) changed_();
  return status;
}

}  // namespace sluice::proxy::front
