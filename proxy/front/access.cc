#include "proxy/front/access.h"

#include <spdlog/spdlog.h>

#include <algorithm>

#include "proxy/front/server_words.h"
#include "resp/names.h"

namespace sluice::proxy::front {
namespace {

constexpr size_t kShownMax = 128;

std::string upper(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c;
  return out;
}

// No more of it than Redis shows, which takes it for a C string.
std::string shown(std::string_view text, size_t bytes_max = kShownMax) {
  return std::string(text.substr(0, std::min(text.find('\0'), bytes_max)));
}

std::string unknown(const upstream::CommandCatalog& catalog, Args args) {
  const std::string_view name = args[0];
  if (args.size() > 1 && catalog.find(name) != nullptr && name.find('|') == name.npos)
    return "ERR unknown subcommand '" + shown(args[1]) + "'. Try " + upper(name) + " HELP.";
  return unknown_command(args);
}

const upstream::ServerUsers& not_known_yet() {
  static const upstream::ServerUsers as_most_are;
  return as_most_are;
}

}  // namespace

const std::string_view kNotAuthenticated = "NOAUTH Authentication required.";

std::string unknown_command(Args args) {
  std::string beginning;
  for (size_t i = 1; i < args.size() && beginning.size() < kShownMax; ++i)
    beginning += "'" + shown(args[i], kShownMax - beginning.size()) + "' ";
  return "ERR unknown command '" + shown(args[0]) + "', with args beginning with: " + beginning;
}

Access::Access(UserDirectory* directory, bool warns)
    : directory_(directory),
      warns_(warns),
      users_(directory == nullptr ? nullptr : directory->users()) {}

const upstream::ServerUsers& Access::server_users() const {
  return catalog_ == nullptr ? not_known_yet() : catalog_->users();
}

std::shared_ptr<const Permission> Access::permission(const UserPtr& user) {
  if (user->allows_everything()) return nullptr;
  std::shared_ptr<const Permission>& permission = permissions_[user->name];
  if (permission == nullptr) permission = std::make_shared<const Permission>(user, catalog_);
  return permission;
}

void Access::take_users() {
  users_ = directory_->users();
  permissions_.clear();
}

void Access::take_catalog(Result<upstream::CatalogPtr> catalog) {
  catalog_error_ = catalog ? "" : catalog.error().message();
  if (!catalog && directory_ == nullptr) return;
  if (!catalog) {
    spdlog::error(
        "Redis does not tell its commands, so they stay as they were; users with limited "
        "rights can use none that were never told: {}",
        catalog_error_);
    return;
  }
  catalog_ = *std::move(catalog);
  permissions_.clear();
  if (directory_ == nullptr || !warns_) return;
  directory_->know(catalog_);
  warn_of_unknown_rules();
}

// Redis would not start with such a file. But here the file is read first, and it may be the right
// one for a Redis that was replaced by this one.
void Access::warn_of_unknown_rules() const {
  for (const UserPtr& user : users_->all()) {
    for (const std::string& rule : Permission::unknown_rules(*user, *catalog_))
      spdlog::error("{}: user {}: {} names no {} of Redis or Sluice and has no effect",
                    directory_->path(), user->name, rule,
                    rule[1] == '@' ? "category" : "command");
  }
}

bool arity_fits(const upstream::CommandInfo& command, size_t count) {
  const auto given = static_cast<int64_t>(count);
  return command.arity >= 0 ? given == command.arity : given >= -command.arity;
}

std::string refusal(const upstream::CommandCatalog& catalog, const Permission* permission,
                    bool authenticated, Args args, int64_t database) {
  const upstream::CommandInfo* command = catalog.lookup(args);
  const bool may_come = authenticated || (command != nullptr && command->no_auth);
  if (!may_come && catalog.users().login_comes_first) return std::string(kNotAuthenticated);
  if (command == nullptr) return unknown(catalog, args);
  if (!arity_fits(*command, args.size()))
    return "ERR wrong number of arguments for '" + command->shown + "' command";
  if (!may_come) return std::string(kNotAuthenticated);
  if (permission == nullptr) return "";
  return denial(catalog.users(), permission->user(), permission->check(*command, args, database),
                command->shown);
}

std::string refusal(const sale::CommandSpec& command, const Permission* permission,
                    bool authenticated, Args args) {
  if (!authenticated) return std::string(kNotAuthenticated);
  if (const Status status = sale::check_arity(command, args.size()); !status)
    return "ERR " + status.error().message();
  if (permission == nullptr) return "";
  const upstream::CommandCatalog* catalog = permission->catalog();
  return denial(catalog == nullptr ? not_known_yet() : catalog->users(), permission->user(),
                permission->check(command, args), command.name);
}

}  // namespace sluice::proxy::front
