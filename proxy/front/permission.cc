#include "proxy/front/permission.h"

#include <algorithm>
#include <optional>

#include "proxy/front/args.h"
#include "proxy/front/glob.h"
#include "resp/names.h"
#include "resp/request_parser.h"

namespace sluice::proxy::front {
namespace {

using upstream::CommandInfo;
using upstream::KeySpec;

bool runs_a_script(std::string_view command) {
  for (std::string_view name : {"eval", "eval_ro", "evalsha", "evalsha_ro", "fcall", "fcall_ro"})
    if (command == name) return true;
  return false;
}

// ---- Keys.

// The keys of a spec that begin at `first`. False: the arguments contradict the spec, which Redis
// will call a syntax error.
bool find_keys_at(int64_t first, const KeySpec& spec, Args args, std::vector<KeyUse>& keys) {
  const auto count = static_cast<int64_t>(args.size());
  int64_t last = 0;
  if (spec.find == KeySpec::Find::kRange) {
    if (spec.last_key >= 0) last = first + spec.last_key;
    else if (spec.limit == 0) last = count + spec.last_key;
    else last = first + (count - first) / spec.limit + spec.last_key;
    if (last == first - 1) return true;  // PFMERGE without sources still writes its first key
  } else if (spec.find == KeySpec::Find::kKeyNum) {
    int64_t number = 0;
    const int64_t at = first + spec.key_num_index;
    if (at >= count || !resp::parse_strict_integer(args[static_cast<size_t>(at)], number) ||
        number < 0 || number > count)
      return false;
    first += spec.first_key;
    last = first + number - 1;
    if (number == 0) return true;
  } else {
    return true;
  }
  if (first <= 0 || last >= count || last < first) return false;
  for (int64_t i = first; i <= last; i += spec.step)
    keys.push_back({static_cast<size_t>(i), spec.reads, spec.writes});
  return true;
}

// Of several places where a keyword stands, which one holds is for the command to say: GEORADIUS
// takes the last STORE, and a consumer of XREADGROUP may be called "streams". So all do.
bool find_keys(const KeySpec& spec, Args args, std::vector<KeyUse>& keys) {
  if (spec.begin == KeySpec::Begin::kIndex) return find_keys_at(spec.index, spec, args, keys);
  if (spec.begin != KeySpec::Begin::kKeyword) return true;
  const auto count = static_cast<int64_t>(args.size());
  const bool forwards = spec.start_from > 0;
  const int64_t step = forwards ? 1 : -1, end = forwards ? count - 1 : 1;
  // Redis never looks at the last argument: nothing could follow it.
  for (int64_t i = forwards ? spec.start_from : count + spec.start_from;
       i > 0 && i < count && i != end; i += step) {
    if (!is(args[static_cast<size_t>(i)], spec.keyword)) continue;
    if (!find_keys_at(i + 1, spec, args, keys)) return false;
    if (!forwards) break;
  }
  return true;
}

// ---- Commands whose key specs do not tell all (Redis has a function of its own for each).

void add_sort_store(Args args, std::vector<KeyUse>& keys) {
  size_t store = 0;  // the last one holds
  for (size_t i = 2; i + 1 < args.size(); ++i) {
    if (is(args[i], "limit")) i += 2;
    else if (is(args[i], "get") || is(args[i], "by")) i += 1;
    else if (is(args[i], "store")) store = ++i;
  }
  if (store != 0) keys.push_back({store, false, true});
}

// Only behind an empty key KEYS names others; elsewhere it is a syntax error, and no key.
void find_migrate_keys(Args args, std::vector<KeyUse>& keys) {
  keys.clear();
  if (args.size() > 3) keys.push_back({3, true, true});
  if (args.size() < 6 || !args[3].empty()) return;
  for (size_t i = 6; i < args.size(); ++i) {
    if (is(args[i], "auth")) i += 1;
    else if (is(args[i], "auth2")) i += 2;
    else if (is(args[i], "keys")) {
      keys.clear();
      while (++i < args.size()) keys.push_back({i, true, true});
    }
  }
}

bool reads_only(const CommandInfo& command, Args args) {
  if (command.name != "bitfield") return false;
  for (size_t i = 2; i < args.size(); ++i) {
    const size_t more = args.size() - i - 1;
    if (is(args[i], "get") && more >= 2) i += 2;
    else if (is(args[i], "overflow") && more >= 1) i += 1;
    else return false;  // SET or INCRBY, or not whole
  }
  return true;
}

bool writes_only(const CommandInfo& command, Args args) {
  return command.name == "set" && std::none_of(args.begin() + std::min<size_t>(3, args.size()),
                                               args.end(), [](auto arg) { return is(arg, "get"); });
}

bool has_keys(const CommandInfo& command) {
  return command.movable_keys || std::any_of(command.keys.begin(), command.keys.end(),
                                             [](const KeySpec& spec) { return spec.is_key; });
}

bool key_allowed(const Selector& selector, std::string_view key, bool reads, bool writes) {
  return selector.all_keys ||
         std::any_of(selector.keys.begin(), selector.keys.end(), [&](const KeyPattern& pattern) {
           return (pattern.read || !reads) && (pattern.write || !writes) &&
                  glob_matches(pattern.pattern, key);
         });
}

// ---- Databases.

// The arguments that name databases; nothing if the command never does. Empty where it names none
// this time, or where the server will say what is wrong with them: not a number, or not below
// `count` (null: not known).
std::optional<std::vector<size_t>> databases_of(const CommandInfo& command, Args args,
                                                std::optional<int64_t> count) {
  std::vector<size_t> named;
  if (command.name == "select") named = {1};
  else if (command.name == "swapdb") named = {1, 2};
  else if (command.name == "move") named = {2};
  else if (command.name != "copy") return std::nullopt;
  if (command.name == "copy") {
    for (size_t i = 3; i < args.size(); ++i) {
      if (is(args[i], "replace")) continue;
      if (!is(args[i], "db") || i + 1 == args.size()) return std::vector<size_t>();
      named.push_back(++i);
    }
  }
  for (const size_t argument : named) {
    int64_t number = 0;
    if (argument >= args.size() || !resp::parse_strict_integer(args[argument], number) ||
        number < 0 || (count && number >= *count))
      return std::vector<size_t>();
  }
  return named;
}

// COMMAND does not tell of these (Valkey's CMD_ALL_DBS).
bool uses_all_databases(const CommandInfo& command) {
  for (std::string_view name : {"flushall", "cluster|flushslot", "cluster|migrateslots",
                                "cluster|cancelslotmigrations"})
    if (command.name == name) return true;
  return false;
}

bool uses_a_database(const CommandInfo& command) {
  return has_keys(command) ||
         std::any_of(command.categories.begin(), command.categories.end(), [](const auto& name) {
           return name == "keyspace" || name == "read" || name == "write";
         });
}

// ---- Channels.

bool channel_allowed(const Selector& selector, std::string_view channel, bool is_pattern) {
  const auto& allowed = selector.channels;
  return std::any_of(allowed.begin(), allowed.end(), [&](const std::string& pattern) {
    return is_pattern ? pattern == channel : glob_matches(pattern, channel);
  });
}

// The arguments from 1 on that are channels, and whether they are patterns.
std::pair<size_t, bool> channels_of(const CommandInfo& command, Args args) {
  const std::string_view name = command.name;
  if (name == "publish" || name == "spublish") return {std::min<size_t>(2, args.size()), false};
  if (name == "subscribe" || name == "ssubscribe") return {args.size(), false};
  if (name == "psubscribe") return {args.size(), true};
  return {0, false};
}

Verdict check_channels(const Selector& selector, const CommandInfo& command, Args args) {
  if (selector.all_channels) return {};
  const auto [end, are_patterns] = channels_of(command, args);
  for (size_t i = 1; i < end; ++i) {
    if (!channel_allowed(selector, args[i], are_patterns)) return {Verdict::Kind::kChannel, i};
  }
  return {};
}

// BY and GET read keys that no argument names.
Verdict check_sort(const Selector& selector, const CommandInfo& command, Args args) {
  if (command.name != "sort" && command.name != "sort_ro") return {};
  const bool all_readable =
      std::any_of(selector.keys.begin(), selector.keys.end(),
                  [](const KeyPattern& key) { return key.read && key.pattern == "*"; });
  if (all_readable) return {};
  for (size_t i = 2; i + 1 < args.size(); ++i) {
    if (is(args[i], "limit")) i += 2;
    else if (is(args[i], "store")) i += 1;
    else if (is(args[i], "get")) return {Verdict::Kind::kSortGet, i};
    else if (is(args[i], "by") && args[++i].find('*') != std::string_view::npos)
      return {Verdict::Kind::kSortBy, i};
  }
  return {};
}

// Whether the specs, with what is known here of some commands, name every key. Not those of some
// modules, nor of Redis before 7.0.
bool tells_all_keys(const CommandInfo& command) {
  if (command.keys.empty()) return !command.movable_keys;
  // Some servers call those of GEORADIUS and XREAD incomplete, because of several places where the
  // keyword stands one holds; find_keys() takes all of them.
  for (std::string_view name : {"sort", "sort_ro", "migrate", "georadius", "georadiusbymember",
                                "xread", "xreadgroup"})
    if (command.name == name) return true;
  return std::none_of(command.keys.begin(), command.keys.end(), [](const KeySpec& spec) {
    return spec.incomplete || spec.begin == KeySpec::Begin::kUnknown ||
           spec.find == KeySpec::Find::kUnknown;
  });
}

Verdict check_keys(const Selector& selector, const CommandInfo& command, Args args) {
  if (selector.all_keys) return {};
  if (!tells_all_keys(command)) return {Verdict::Kind::kKey};
  if (has_keys(command)) {
    for (const KeyUse& key : keys_of(command, args)) {
      if (!key_allowed(selector, args[key.argument], key.reads, key.writes))
        return {Verdict::Kind::kKey, key.argument};
    }
  }
  return check_sort(selector, command, args);
}

void keep_worst(Verdict& worst, const Verdict& verdict) {
  if (worst.kind < verdict.kind ||
      (worst.kind == verdict.kind && worst.argument < verdict.argument))
    worst = verdict;
}

bool is_known_category(std::string_view name, const upstream::CommandCatalog& catalog) {
  const auto ours = sale_only_categories();
  return std::find(ours.begin(), ours.end(), name) != ours.end() || catalog.has_category(name);
}

// A command, a subcommand, or a command with a first argument.
bool is_known_command(const CommandRule& rule, const upstream::CommandCatalog& catalog) {
  if (sale::find_command(rule.name) || catalog.find(rule.name)) return true;
  const size_t bar = rule.name.find('|');
  if (bar == rule.name.npos || !rule.allow) return false;
  const CommandInfo* base = catalog.find(rule.name.substr(0, bar));
  return base != nullptr && base->subcommands.empty();
}

bool is_purchase(const sale::CommandSpec& command) {
  using Kind = sale::CommandKind;
  switch (command.kind) {
    case Kind::kBuy:
    case Kind::kPay:
    case Kind::kCancel:
    case Kind::kOrder:
    case Kind::kWaitDb:
    case Kind::kStock:
    case Kind::kList:
    case Kind::kHelp:
      return true;
    default: return false;
  }
}

// Whether args[1] is an item: of all but these.
bool names_an_item(const sale::CommandSpec& command) {
  using Kind = sale::CommandKind;
  switch (command.kind) {
    case Kind::kList: case Kind::kFlush: case Kind::kPause: case Kind::kResume: case Kind::kStatus:
    case Kind::kSlowLog: case Kind::kHelp:
      return false;
    default: return true;
  }
}

}  // namespace

std::span<const std::string_view> sale_only_categories() {
  static constexpr std::string_view kNames[] = {"purchase", "seckill-admin"};
  return kNames;
}

std::vector<std::string_view> sale_categories(const sale::CommandSpec& command) {
  if (is_purchase(command)) return {command.writes ? "write" : "read", "fast", "purchase"};
  return {"admin", "dangerous", "seckill-admin"};
}

std::vector<KeyUse> keys_of(const CommandInfo& command, Args args) {
  std::vector<KeyUse> keys;
  for (const KeySpec& spec : command.keys) {
    if (!spec.is_key) continue;
    const size_t before = keys.size();
    if (!find_keys(spec, args, keys)) return {};
    if (!spec.variable_flags) continue;
    for (size_t i = before; i < keys.size(); ++i) {
      if (reads_only(command, args)) keys[i].writes = false;
      if (writes_only(command, args)) keys[i].reads = false;
    }
  }
  if (command.name == "sort") add_sort_store(args, keys);
  if (command.name == "migrate") find_migrate_keys(args, keys);
  return keys;
}

Permission::Permission(UserPtr user, upstream::CatalogPtr catalog)
    : user_(std::move(user)), catalog_(std::move(catalog)) {
  compiled_.push_back(compile(user_->root));
  for (const Selector& selector : user_->selectors) compiled_.push_back(compile(selector));
}

Permission::Compiled Permission::compile(const Selector& selector) const {
  Compiled compiled;
  compiled.selector = &selector;
  compiled.commands.resize(catalog_ == nullptr ? 0 : catalog_->all().size());
  compiled.sale_commands.resize(sale::command_specs().size());
  if (selector.all_commands) apply_to_all(compiled, true);
  for (const CommandRule& rule : selector.commands) apply(compiled, rule);
  return compiled;
}

void Permission::apply_to_all(Compiled& into, bool allow) const {
  for (size_t i = 0; i < into.commands.size(); ++i)
    into.commands[i] = allow && (!runs_a_script(catalog_->all()[i].name) ||
                                 into.selector->allows_everything());
  into.sale_commands.assign(into.sale_commands.size(), allow);
}

void Permission::apply(Compiled& into, const CommandRule& rule) const {
  if (!rule.category) {
    const auto specs = sale::command_specs();
    if (const auto* sale_command = sale::find_command(rule.name))
      into.sale_commands[static_cast<size_t>(sale_command - specs.data())] = rule.allow;
    if (catalog_ == nullptr) return;
    if (const CommandInfo* command = catalog_->find(rule.name)) {
      const size_t index = catalog_->index_of(*command);
      into.commands[index] = rule.allow;
      into.first_arguments.erase(index);
      for (const size_t sub : command->subcommands) into.commands[sub] = rule.allow;
    } else if (const size_t bar = rule.name.find('|'); bar != rule.name.npos && rule.allow) {
      const CommandInfo* base = catalog_->find(rule.name.substr(0, bar));
      if (base != nullptr && base->subcommands.empty())
        into.first_arguments[catalog_->index_of(*base)].push_back(rule.name.substr(bar + 1));
    }
    return;
  }
  const auto in_category = [&](const auto& categories) {
    return std::find(categories.begin(), categories.end(), rule.name) != categories.end();
  };
  for (size_t i = 0; i < into.commands.size(); ++i) {
    const CommandInfo& command = catalog_->all()[i];
    if (!in_category(command.categories) || (rule.allow && runs_a_script(command.name))) continue;
    into.commands[i] = rule.allow;
    into.first_arguments.erase(i);
  }
  const auto specs = sale::command_specs();
  for (size_t i = 0; i < specs.size(); ++i) {
    if (in_category(sale_categories(specs[i]))) into.sale_commands[i] = rule.allow;
  }
}

Verdict Permission::check(const CommandInfo& command, Args args, int64_t database) const {
  Verdict worst{Verdict::Kind::kDatabase};
  for (const Compiled& compiled : compiled_) {
    const Verdict verdict = check(compiled, command, args, database);
    if (verdict) return {};
    keep_worst(worst, verdict);
  }
  return worst;
}

bool Permission::database_allowed(const Selector& selector, int64_t database) const {
  const auto& allowed = selector.databases;
  return selector.all_databases ||
         std::binary_search(allowed.begin(), allowed.end(), database);
}

// As Valkey 9 does (ACLSelectorCheckCmd), whichever server stands behind: a rule that another one
// does not know is enforced all the same.
Verdict Permission::check_databases(const Selector& selector, const CommandInfo& command, Args args,
                                    int64_t database) const {
  if (selector.all_databases) return {};
  const std::optional<int64_t> count = catalog_->users().databases;
  if (const auto named = databases_of(command, args, count)) {
    for (const size_t argument : *named) {
      int64_t number = 0;
      if (!resp::parse_strict_integer(args[argument], number) ||
          !database_allowed(selector, number))
        return {Verdict::Kind::kDatabase, argument};
    }
    if (!has_keys(command)) return {};
  } else if (uses_all_databases(command)) {
    for (int64_t i = 0; i < count.value_or(1); ++i) {
      if (!count || !database_allowed(selector, i)) return {Verdict::Kind::kDatabase};
    }
    return {};
  } else if (!uses_a_database(command)) {
    return {};
  }
  return database_allowed(selector, database) ? Verdict{} : Verdict{Verdict::Kind::kDatabase};
}

Verdict Permission::check(const Compiled& compiled, const CommandInfo& command, Args args,
                          int64_t database) const {
  if (const Verdict verdict = check_databases(*compiled.selector, command, args, database);
      !verdict)
    return verdict;
  const size_t index = catalog_->index_of(command);
  if (!command.no_auth && !compiled.commands[index]) {
    const auto firsts = compiled.first_arguments.find(index);
    if (firsts == compiled.first_arguments.end() || args.size() < 2 ||
        std::none_of(firsts->second.begin(), firsts->second.end(),
                     [&](const std::string& first) { return is(args[1], first); }))
      return {Verdict::Kind::kCommand};
  }
  if (const Verdict verdict = check_keys(*compiled.selector, command, args); !verdict)
    return verdict;
  return check_channels(*compiled.selector, command, args);
}

Verdict Permission::check(const sale::CommandSpec& command, Args args) const {
  const auto index = static_cast<size_t>(&command - sale::command_specs().data());
  Verdict worst{Verdict::Kind::kCommand};
  for (const Compiled& compiled : compiled_) {
    if (!compiled.sale_commands[index]) continue;
    if (!names_an_item(command) || args.size() < 2 ||
        key_allowed(*compiled.selector, args[1], !command.writes, command.writes))
      return {};
    keep_worst(worst, {Verdict::Kind::kKey, 1});
  }
  return worst;
}

std::vector<std::string> Permission::unknown_rules(const User& user,
                                                   const upstream::CommandCatalog& catalog) {
  std::vector<std::string> unknown;
  const auto look = [&](const Selector& selector) {
    for (const CommandRule& rule : selector.commands) {
      if (rule.category ? is_known_category(rule.name, catalog) : is_known_command(rule, catalog))
        continue;
      unknown.push_back((rule.allow ? "+" : "-") + std::string(rule.category ? "@" : "") +
                        rule.name);
    }
  };
  look(user.root);
  for (const Selector& selector : user.selectors) look(selector);
  return unknown;
}

}  // namespace sluice::proxy::front
