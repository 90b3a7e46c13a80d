// What one user may run: the rules of a User, worked out against the commands that Redis has.
//
// Decides as the server does (acl.c), with three differences, because commands run in Redis with
// the proxy's rights and not with the user's, and what is overlooked here nobody sees:
// - scripts and functions (EVAL, FCALL and their kin) can do anything, so "+@all" and categories
//   give them only to users who may do anything; others need a rule that names the command;
// - SORT with BY or GET of a pattern is refused here, and when it is queued in MULTI already;
// - a key that Redis's own check overlooks is a key: the only one of PFMERGE, the second STORE.
//
// Users for whom User::allows_everything() have no Permission: nothing is asked on their way.
// Made on and used by one I/O thread.
#pragma once

#include <cstddef>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "proxy/front/args.h"
#include "proxy/front/users.h"
#include "proxy/sale/command.h"
#include "proxy/upstream/command_catalog.h"

namespace sluice::proxy::front {

// A decision. Of two denials by two selectors the later one in this list is told, as in Redis.
struct Verdict {
  enum class Kind {
    kAllowed, kDatabase, kCommand, kKey, kChannel, kSortBy, kSortGet
  } kind = Kind::kAllowed;
  size_t argument = 0;  // kKey, kChannel: which one; kDatabase: which one, or 0 for the current one

  explicit operator bool() const { return kind == Kind::kAllowed; }
};

class Permission {
 public:
  // Without a catalog (Redis was never reached) only SECKILL commands can be judged.
  Permission(UserPtr user, upstream::CatalogPtr catalog);

  const upstream::CommandCatalog* catalog() const { return catalog_.get(); }

  std::string_view user() const { return user_->name; }

  // `args` are the whole command; the arity has been checked. `database` is the one selected.
  Verdict check(const upstream::CommandInfo& command, Args args, int64_t database) const;
  // Items are in no database that a client could select.
  Verdict check(const sale::CommandSpec& command, Args args) const;

  // Rules on commands and categories that neither Redis nor Sluice has: "+nosuchcommand",
  // "-config|nothing", "+@nosuchcategory".
  static std::vector<std::string> unknown_rules(const User& user,
                                                const upstream::CommandCatalog& catalog);

 private:
  struct Compiled {
    const Selector* selector;
    std::vector<bool> commands;       // by index in the catalog
    std::vector<bool> sale_commands;  // by index in sale::command_specs()
    std::map<size_t, std::vector<std::string>> first_arguments;  // "+select|0": 0, by index
  };

  Compiled compile(const Selector& selector) const;
  void apply(Compiled& into, const CommandRule& rule) const;
  void apply_to_all(Compiled& into, bool allow) const;
  Verdict check(const Compiled& compiled, const upstream::CommandInfo& command, Args args,
                int64_t database) const;
  bool database_allowed(const Selector& selector, int64_t database) const;
  Verdict check_databases(const Selector& selector, const upstream::CommandInfo& command, Args args,
                          int64_t database) const;

  const UserPtr user_;  // keeps the selectors
  const upstream::CatalogPtr catalog_;
  std::vector<Compiled> compiled_;
};

// "purchase" and "seckill-admin".
std::span<const std::string_view> sale_only_categories();
// Lower case, without '@': for SECKILL commands what COMMAND says of the others.
std::vector<std::string_view> sale_categories(const sale::CommandSpec& command);

// A key among the arguments, and what the command does to its value.
struct KeyUse {
  size_t argument = 0;
  bool reads = false;
  bool writes = false;
};
// As COMMAND GETKEYSANDFLAGS; empty also if the arguments make no sense, which Redis will say.
std::vector<KeyUse> keys_of(const upstream::CommandInfo& command, Args args);

}  // namespace sluice::proxy::front
