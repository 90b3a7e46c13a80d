// The users of the proxy, from a file in the syntax of Redis's ACL files (auth.users_file).
//
//   file ─► Users::parse() ─► Users, immutable, shared by all I/O threads ─► permission.h compiles
//   the rules of one User against the commands that Redis has
//
// Nothing here knows which commands and categories exist: the file is read before any Redis is
// reached, so their names are taken as they are written; only the form of a rule is checked. No
// sockets, no clock.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "proxy/upstream/server_users.h"

namespace sluice::proxy::front {

using Digest = std::array<uint8_t, 32>;  // SHA-256 of a password
using Sanitize = upstream::ServerUsers::Sanitize;

// "~pattern" reads and writes; "%R~pattern" and "%W~pattern" do one of them.
struct KeyPattern {
  std::string pattern;
  bool read = true;
  bool write = true;
};

// One of "+get", "-config|set", "+@read".
struct CommandRule {
  bool allow = false;
  bool category = false;
  std::string name;  // lower case, without sign and '@'
};

// What one set of rules allows; a user may have several, each sufficient by itself.
struct Selector {
  bool all_commands = false;          // before the rules: "+@all"
  std::vector<CommandRule> commands;  // the later one holds
  bool all_keys = false;
  std::vector<KeyPattern> keys;
  bool all_channels = false;
  std::vector<std::string> channels;
  bool all_databases = true;
  std::vector<int64_t> databases;  // rising

  bool allows_everything() const {
    return all_commands && commands.empty() && all_keys && all_channels && all_databases;
  }
};

struct User {
  std::string name;
  bool enabled = false;
  bool no_password = false;
  bool sanitizes_payload = true;  // shown only: RESTORE's payloads are for Redis to judge
  bool sanitize_written = false;
  std::vector<Digest> passwords;
  Selector root;
  std::vector<Selector> selectors;  // "(…)", in the order of the file

  bool allows_everything() const;
};
using UserPtr = std::shared_ptr<const User>;

class Users {
 public:
  static constexpr size_t kFileBytesMax = 16 * 1024 * 1024;

  // `file` is for messages: "FILE:LINE: word N …: what is wrong; what to write". They repeat no
  // word that may be a password. A "default" user that the text does not define is off.
  static Result<Users> parse(std::string_view text, const std::string& file);

  // nullptr if there is none of this name; names are compared byte by byte.
  UserPtr find(std::string_view name) const;
  UserPtr default_user() const { return find("default"); }
  std::span<const UserPtr> all() const { return users_; }  // by name

 private:
  std::vector<UserPtr> users_;
};

// "user NAME on #… ~* &* +@all": as ACL LIST shows it and as the file may have it. Whether the word
// "sanitize-payload" is shown differs among servers.
std::string describe(const User& user, Sanitize shown = Sanitize::kAsWritten);
// The flag itself, or "" if it is not shown.
std::string_view sanitize_flag(const User& user, Sanitize shown);
// True if both may run the same, whatever their names and passwords.
bool same_rules(const User& a, const User& b);
// The parts of a selector: "+@all -get", "~a* %R~b*", "&c*", "db=0,1" ("alldbs", or "" for none).
std::string describe_commands(const Selector& selector);
std::string describe_keys(const Selector& selector);
std::string describe_channels(const Selector& selector);
std::string describe_databases(const Selector& selector);
std::string hex(const Digest& digest);

Digest sha256(std::string_view text);

}  // namespace sluice::proxy::front
