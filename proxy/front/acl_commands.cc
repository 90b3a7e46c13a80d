#include "proxy/front/acl_commands.h"

#include <algorithm>
#include <vector>

#include "resp/names.h"
#include "resp/writer.h"

namespace sluice::proxy::front {
namespace {

bool is(std::string_view arg, std::string_view word) {
  return resp::equals_ignoring_case(arg, word);
}

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
  for (const UserPtr& user : access.users().all()) lines.push_back(describe(*user));
  return array_of(lines);
}

std::string user_names(const Access& access) {
  std::vector<std::string> names;
  for (const UserPtr& user : access.users().all()) names.push_back(user->name);
  return array_of(names);
}

void append_selector(std::string& reply, const Selector& selector) {
  resp::append_bulk(reply, "commands");
  resp::append_bulk(reply, describe_commands(selector));
  resp::append_bulk(reply, "keys");
  resp::append_bulk(reply, describe_keys(selector));
  resp::append_bulk(reply, "channels");
  resp::append_bulk(reply, describe_channels(selector));
}

std::string get_user(const Access& access, std::string_view name, int protocol) {
  std::string reply;
  const UserPtr user = access.users().find(name);
  if (user == nullptr) {
    resp::append_null(reply, protocol);
    return reply;
  }
  std::vector<std::string_view> flags = {user->enabled ? "on" : "off"};
  if (user->no_password) flags.push_back("nopass");
  if (user->sanitize_written)
    flags.push_back(user->sanitizes_payload ? "sanitize-payload" : "skip-sanitize-payload");
  resp::append_map_header(reply, 6, protocol);
  resp::append_bulk(reply, "flags");
  std::string flag_set = array_of(flags);
  if (protocol == 3) flag_set[0] = '~';
  reply += flag_set;
  std::vector<std::string> passwords;
  for (const Digest& digest : user->passwords) passwords.push_back(hex(digest));
  resp::append_bulk(reply, "passwords");
  reply += array_of(passwords);
  append_selector(reply, user->root);
  resp::append_bulk(reply, "selectors");
  resp::append_array_header(reply, user->selectors.size());
  for (const Selector& selector : user->selectors) {
    resp::append_map_header(reply, 3, protocol);
    append_selector(reply, selector);
  }
  return reply;
}

std::string not_known_yet() {
  return error("ERR Sluice: the commands of Redis are not known yet; retry later");
}

// Categories that some command is in.
std::string categories_in_use(const upstream::CommandCatalog& catalog) {
  std::vector<std::string_view> used;
  for (const std::string_view category : categories()) {
    const bool ours = category == "purchase" || category == "seckill-admin";
    const auto& commands = catalog.all();
    if (ours || std::any_of(commands.begin(), commands.end(), [&](const auto& command) {
          const auto& its = command.categories;
          return std::find(its.begin(), its.end(), category) != its.end();
        }))
      used.push_back(category);
  }
  return array_of(used);
}

std::string commands_of(const upstream::CommandCatalog& catalog, std::string_view name) {
  const std::string category = resp::lower(name);
  const auto within = [&](const auto& list) {
    return std::find(list.begin(), list.end(), category) != list.end();
  };
  std::vector<std::string> names;
  for (const upstream::CommandInfo& command : catalog.all()) {
    if (within(command.categories)) names.push_back(command.name);
  }
  for (const sale::CommandSpec& command : sale::command_specs()) {
    if (within(sale_categories(command))) names.emplace_back(command.name);
  }
  if (names.empty() && !is_category(category))
    return error("ERR Unknown category '" + std::string(name) + "'");
  std::sort(names.begin(), names.end());
  return array_of(names);
}

std::string cat(Args args, const Access& access) {
  if (args.size() > 3) {
    return error("ERR unknown subcommand or wrong number of arguments for '" +
                 std::string(args[1].substr(0, 128)) + "'. Try ACL HELP.");
  }
  if (access.catalog() == nullptr) return not_known_yet();
  return args.size() == 2 ? categories_in_use(*access.catalog())
                          : commands_of(*access.catalog(), args[2]);
}

std::string judged(const Verdict& verdict, std::string_view command, Args args) {
  constexpr std::string_view kUser = "This user has no permissions to ";
  const std::string user(kUser);
  switch (verdict.kind) {
    case Verdict::Kind::kAllowed:
      return "+OK\r\n";
    case Verdict::Kind::kKey:
      return bulk(user + "access the '" + std::string(args[verdict.argument]) + "' key");
    case Verdict::Kind::kChannel:
      return bulk(user + "access the '" + std::string(args[verdict.argument]) + "' channel");
    // Redis judges these two when the command runs.
    case Verdict::Kind::kSortBy:
    case Verdict::Kind::kSortGet:
      return "+OK\r\n";
    case Verdict::Kind::kCommand:
      break;
  }
  return bulk(user + "run the '" + std::string(command) + "' command");
}

std::string dry_run(Args args, const Access& access) {
  const UserPtr user = access.users().find(args[2]);
  if (user == nullptr) return error("ERR User '" + std::string(args[2]) + "' not found");
  const Args command = args.subspan(3);
  const Permission permission(user, access.catalog_ptr());
  if (const sale::CommandSpec* spec = sale::find_command(command[0])) {
    if (const Status status = sale::check_arity(*spec, command.size()); !status)
      return error("ERR " + status.error().message());
    return judged(permission.check(*spec, command), spec->name, command);
  }
  if (access.catalog() == nullptr) return not_known_yet();
  const upstream::CommandInfo* info = access.catalog()->lookup(command);
  if (info == nullptr) return error("ERR Command '" + std::string(command[0]) + "' not found");
  if (!arity_fits(*info, command.size()))
    return error("ERR wrong number of arguments for '" + info->name + "' command");
  if (user->allows_everything()) return "+OK\r\n";
  return judged(permission.check(*info, command), info->name, command);
}

std::string load(const Access& access) {
  const Status loaded = access.directory()->reload();
  return loaded ? "+OK\r\n" : error("ERR " + loaded.error().message());
}

}  // namespace

LocalReply acl_command(Args args, const Access& access, std::string_view user, int protocol) {
  using Place = LocalReply::Place;
  if (args.size() < 2) return {Place::kHere, wrong_arity("acl")};
  struct Subcommand {
    std::string_view name;
    int arity;  // as in Redis: exact, or at least the absolute value
  };
  static constexpr Subcommand kSubcommands[] = {
      {"whoami", 2}, {"list", 2},     {"users", 2},    {"getuser", 3},  {"cat", -2},
      {"load", 2},   {"dryrun", -4},  {"setuser", -3}, {"deluser", -3}, {"save", 2},
      {"log", -2},   {"genpass", -2}, {"help", 2}};
  const auto* found = std::find_if(std::begin(kSubcommands), std::end(kSubcommands),
                                   [&](const Subcommand& s) { return is(args[1], s.name); });
  if (found == std::end(kSubcommands)) return {Place::kForward};  // Redis refuses it
  const int count = static_cast<int>(args.size());
  if (found->arity > 0 ? count != found->arity : count < -found->arity)
    return {Place::kHere, wrong_arity("acl|" + std::string(found->name))};
  const std::string_view name = found->name;
  if (name == "genpass" || name == "help") return {Place::kForward};
  if (name == "whoami") return {Place::kHere, bulk(user)};
  if (name == "list") return {Place::kHere, list(access)};
  if (name == "users") return {Place::kHere, user_names(access)};
  if (name == "getuser") return {Place::kHere, get_user(access, args[2], protocol)};
  if (name == "cat") return {Place::kHere, cat(args, access)};
  if (name == "dryrun") return {Place::kHere, dry_run(args, access)};
  if (name == "load") return {Place::kHere, load(access)};
  if (name == "log") {
    return {Place::kHere, error("ERR Sluice: ACL LOG is not kept; the proxy's log and "
                                "sluice_login_failures_total tell of failed logins")};
  }
  return {Place::kHere, error("ERR Sluice: users are defined in " + access.directory()->path() +
                              "; edit that file, then send ACL LOAD or SIGHUP")};
}

}  // namespace sluice::proxy::front
