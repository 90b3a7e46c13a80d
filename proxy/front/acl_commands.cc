#include "proxy/front/acl_commands.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "proxy/front/args.h"
#include "proxy/front/reply_rewrite.h"
#include "proxy/front/server_words.h"
#include "resp/names.h"
#include "resp/request_parser.h"
#include "resp/writer.h"

namespace sluice::proxy::front {
namespace {

std::string error(std::string_view text) {
  std::string reply;
  resp::append_error(reply, text);
  return reply;
}

std::string bulk(std::string_view text) {
  std::string reply;
  resp::append_bulk(reply, text);
  return reply;
}

template <class Strings>
std::string array_of(const Strings& strings) {
  std::string reply;
  resp::append_array_header(reply, strings.size());
  for (const auto& text : strings) resp::append_bulk(reply, text);
  return reply;
}

std::string list(const Access& access) {
  std::vector<std::string> lines;
  const Sanitize shown = access.server_users().sanitize;
  for (const UserPtr& user : access.users().all()) lines.push_back(describe(*user, shown));
  return array_of(lines);
}

std::string user_names(const Access& access) {
  std::vector<std::string> names;
  for (const UserPtr& user : access.users().all()) names.push_back(user->name);
  return array_of(names);
}

void append_selector(std::string& reply, const Selector& selector, bool with_databases) {
  resp::append_bulk(reply, "commands");
  resp::append_bulk(reply, describe_commands(selector));
  resp::append_bulk(reply, "keys");
  resp::append_bulk(reply, describe_keys(selector));
  resp::append_bulk(reply, "channels");
  resp::append_bulk(reply, describe_channels(selector));
  if (!with_databases) return;
  resp::append_bulk(reply, "databases");
  resp::append_bulk(reply, describe_databases(selector));
}

bool keeps_to_databases(const User& user) {
  return !user.root.all_databases ||
         std::any_of(user.selectors.begin(), user.selectors.end(),
                     [](const Selector& selector) { return !selector.all_databases; });
}

std::string get_user(const Access& access, std::string_view name, int protocol) {
  std::string reply;
  const UserPtr user = access.users().find(name);
  if (user == nullptr) {
    resp::append_null(reply, protocol);
    return reply;
  }
  const upstream::ServerUsers& server = access.server_users();
  std::vector<std::string_view> flags = {user->enabled ? "on" : "off"};
  if (user->no_password) flags.push_back("nopass");
  if (const auto flag = sanitize_flag(*user, server.sanitize); !flag.empty()) flags.push_back(flag);
  // Rules on databases hold before any server, so they are shown before any.
  const bool databases = server.has_databases || keeps_to_databases(*user);
  resp::append_map_header(reply, databases ? 7 : 6, protocol);
  resp::append_bulk(reply, "flags");
  std::string flag_set = array_of(flags);
  if (protocol == 3) flag_set[0] = '~';
  reply += flag_set;
  std::vector<std::string> passwords;
  for (const Digest& digest : user->passwords) passwords.push_back(hex(digest));
  resp::append_bulk(reply, "passwords");
  reply += array_of(passwords);
  append_selector(reply, user->root, databases);
  resp::append_bulk(reply, "selectors");
  resp::append_array_header(reply, user->selectors.size());
  for (const Selector& selector : user->selectors) {
    resp::append_map_header(reply, databases ? 4 : 3, protocol);
    append_selector(reply, selector, databases);
  }
  return reply;
}

AclAnswer here(std::string reply) { return {AclAnswer::Place::kHere, std::move(reply), nullptr}; }

AclAnswer as_the_server_says() { return {AclAnswer::Place::kServer, "", nullptr}; }

AclAnswer unknown_server() {
  return here(error("ERR Sluice: the commands of Redis are not known yet; retry later"));
}

AclAnswer with_more_names(std::vector<std::string_view> names) {
  if (names.empty()) return as_the_server_says();
  return {AclAnswer::Place::kServer, "", [names = std::move(names)](std::string_view reply) {
            return append_names(reply, names);
          }};
}

// The server's categories and ours; of a category the server's commands and ours.
AclAnswer cat(Args args) {
  const auto ours = sale_only_categories();
  if (args.size() == 2) return with_more_names({ours.begin(), ours.end()});
  if (args.size() > 3) return as_the_server_says();
  const std::string category = resp::lower(args[2]);
  std::vector<std::string_view> names;
  for (const sale::CommandSpec& command : sale::command_specs()) {
    const auto its = sale_categories(command);
    if (std::find(its.begin(), its.end(), category) != its.end()) names.push_back(command.name);
  }
  if (std::find(ours.begin(), ours.end(), category) != ours.end()) return here(array_of(names));
  return with_more_names(std::move(names));
}

// The server knows what it does not have: its "default" user tries the command.
AclAnswer tried_by_the_server(Args command) {
  std::vector<std::string_view> words = {"ACL", "DRYRUN", "default"};
  words.insert(words.end(), command.begin(), command.end());
  AclAnswer answer = as_the_server_says();
  resp::append_command(answer.bytes, words);
  return answer;
}

AclAnswer judged(const Access& access, const User& user, const Verdict& verdict,
                 std::string_view command, Args args) {
  const std::string text =
      dry_run_denial(access.server_users(), user.name, verdict, command, args);
  return here(text.empty() ? "+OK\r\n" : bulk(text));
}

AclAnswer dry_run(Args args, const Access& access, int64_t database) {
  const UserPtr user = access.users().find(args[2]);
  if (user == nullptr) return here(error("ERR User '" + std::string(args[2]) + "' not found"));
  const Args command = args.subspan(3);
  const Permission permission(user, access.catalog_ptr());
  if (const sale::CommandSpec* spec = sale::find_command(command[0])) {
    if (const Status status = sale::check_arity(*spec, command.size()); !status)
      return here(error("ERR " + status.error().message()));
    return judged(access, *user, permission.check(*spec, command), spec->name, command);
  }
  if (access.catalog() == nullptr) return unknown_server();
  const upstream::CommandInfo* info = access.catalog()->lookup(command);
  if (info == nullptr || !arity_fits(*info, command.size())) return tried_by_the_server(command);
  if (user->allows_everything()) return here("+OK\r\n");
  return judged(access, *user, permission.check(*info, command, database), info->shown, command);
}

// What the server refuses whatever its users are, or would if it had any.
bool server_refuses(Args args, const upstream::CommandCatalog& catalog) {
  const upstream::CommandInfo* info = catalog.lookup(args);
  return info == nullptr || args.size() < 2 || !arity_fits(*info, args.size());
}

// Before the server was reached, of others it cannot be told whether it would refuse them.
bool needs_no_server(Args args) {
  if (args.size() == 3) return is(args[1], "getuser");
  if (args.size() != 2) return false;
  for (std::string_view name : {"whoami", "list", "users", "load"})
    if (is(args[1], name)) return true;
  return false;
}

AclAnswer log(Args args) {
  int64_t count = 0;
  const bool good = args.size() == 2 ||
                    (args.size() == 3 && (is(args[2], "reset") ||
                                          resp::parse_strict_integer(args[2], count)));
  if (!good) return as_the_server_says();  // which refuses it
  return here(error("ERR Sluice: ACL LOG is not kept; the proxy's log and "
                    "sluice_login_failures_total tell of failed logins"));
}

std::string load(const Access& access) {
  const Status loaded = access.directory()->reload();
  return loaded ? "+OK\r\n" : error("ERR " + loaded.error().message());
}

}  // namespace

AclAnswer acl_command(Args args, const Access& access, const AclAsker& asker) {
  if (access.catalog() == nullptr) {
    if (!needs_no_server(args)) return unknown_server();
  } else if (server_refuses(args, *access.catalog())) {
    return as_the_server_says();
  }
  const std::string name = resp::lower(args[1]);
  // Servers before 7.0 do not tell of subcommands, so this has not been looked at.
  if ((name == "getuser" && args.size() != 3) || (name == "dryrun" && args.size() < 4))
    return as_the_server_says();
  if (name == "genpass" || name == "help") return as_the_server_says();
  if (name == "cat") return cat(args);
  if (name == "whoami") return here(bulk(asker.user));
  if (name == "list") return here(list(access));
  if (name == "users") return here(user_names(access));
  if (name == "getuser") return here(get_user(access, args[2], asker.protocol));
  if (name == "dryrun") return dry_run(args, access, asker.database);
  if (name == "load") return here(load(access));
  if (name == "log") return log(args);
  // SETUSER, DELUSER, SAVE, and what a newer server may have.
  return here(error("ERR Sluice: users are defined in " + access.directory()->path() +
                    "; edit that file, then send ACL LOAD or SIGHUP"));
}

}  // namespace sluice::proxy::front
