// Who may run what, as one I/O thread knows it: the users, the commands of Redis, and the
// permissions worked out from both, one for each user who is logged in here.
//
// Owned by the worker, which tells its sessions of every change. This I/O thread only.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "proxy/front/permission.h"
#include "proxy/front/user_directory.h"

namespace sluice::proxy::front {

class Access {
 public:
  // `directory` is null if no users are configured: then everybody may do everything.
  // One thread `warns` of what is wrong with the users.
  Access(UserDirectory* directory, bool warns);

  UserDirectory* directory() const { return directory_; }
  const Users& users() const { return *users_; }
  const upstream::CommandCatalog* catalog() const { return catalog_.get(); }
  const upstream::CatalogPtr& catalog_ptr() const { return catalog_; }
  // How the server deals with users; what most do until it is known.
  const upstream::ServerUsers& server_users() const;
  // Why there is no catalog although Redis was reached; "" otherwise.
  const std::string& catalog_error() const { return catalog_error_; }

  // Null: this user may do everything.
  std::shared_ptr<const Permission> permission(const UserPtr& user);

  void take_users();
  void take_catalog(Result<upstream::CatalogPtr> catalog);

 private:
  void warn_of_unknown_rules() const;

  UserDirectory* const directory_;
  const bool warns_;
  std::shared_ptr<const Users> users_;
  upstream::CatalogPtr catalog_;
  std::string catalog_error_;
  std::map<std::string, std::shared_ptr<const Permission>> permissions_;  // by the user's name
};

// "ERR unknown command …", as Redis says it.
std::string unknown_command(Args args);

bool arity_fits(const upstream::CommandInfo& command, size_t count);

// The text of a refusal, worded as Redis words it and without its dash; "" if all is well. The
// checks come in Redis's order: existence, number of arguments, login, permission; with some
// servers the login comes first.
// `permission` null: everything is allowed. `database` is the one that the command will run in.
std::string refusal(const upstream::CommandCatalog& catalog, const Permission* permission,
                    bool authenticated, Args args, int64_t database);
std::string refusal(const sale::CommandSpec& command, const Permission* permission,
                    bool authenticated, Args args);

extern const std::string_view kNotAuthenticated;  // "NOAUTH Authentication required."

}  // namespace sluice::proxy::front
