#include "proxy/front/connection_commands.h"

#include <algorithm>
#include <optional>

#include "base/clock.h"
#include "proxy/front/command_table.h"
#include "resp/names.h"
#include "resp/request_parser.h"
#include "resp/writer.h"

namespace sluice::proxy::front {
namespace {

using Place = LocalReply::Place;

constexpr std::string_view kWrongPassword =
    "WRONGPASS invalid username-password pair or user is disabled.";
constexpr std::string_view kHelloBeforeLogin =
    "NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO "
    "AUTH <user> <pass> option can be used to authenticate the client and select the RESP "
    "protocol version at the same time";
constexpr std::string_view kBadName =
    "ERR Client names cannot contain spaces, newlines or special characters.";
constexpr std::string_view kSyntax = "ERR syntax error";

std::string error(std::string_view text) { return error_line(text); }

std::string ok() { return "+OK\r\n"; }

std::string integer(int64_t value) {
  std::string reply;
  resp::append_integer(reply, value);
  return reply;
}

bool is(std::string_view arg, std::string_view word) {
  return resp::equals_ignoring_case(arg, word);
}

bool is_sluice_key(std::string_view name) {
  return name.size() >= 7 && is(name.substr(0, 7), "sluice.");
}

bool is_plain_name(std::string_view name) {
  return std::all_of(name.begin(), name.end(), [](char c) { return c >= '!' && c <= '~'; });
}

// Without users configured there is the default user, who needs no password.
bool may_log_in(std::string_view user) { return user == "default"; }

std::string log_in(std::string_view name, std::string_view password, LoginPort* login) {
  if (login != nullptr) return login->log_in(name, password);
  return may_log_in(name) ? "" : std::string(kWrongPassword);
}

bool is_client_type(std::string_view type) {
  return is(type, "normal") || is(type, "pubsub") || is(type, "master") || is(type, "replica") ||
         is(type, "slave");
}

bool has_type(const Client& client, std::string_view type) {
  const bool subscriber = client.flag.load() == 'P';
  return is(type, "pubsub") ? subscriber : (is(type, "normal") && !subscriber);
}

std::string list(Args args, const Client& client, Clients& clients) {
  std::optional<std::string_view> type;
  std::vector<int64_t> ids;
  if (args.size() == 4 && is(args[2], "type")) {
    type = args[3];
    if (!is_client_type(*type))
      return error("ERR Unknown client type '" + std::string(*type) + "'");
  } else if (args.size() > 3 && is(args[2], "id")) {
    for (std::string_view text : args.subspan(3)) {
      int64_t id = 0;
      if (!resp::parse_strict_integer(text, id) || id < 1) return error("ERR Invalid client ID");
      ids.push_back(id);
    }
    std::sort(ids.begin(), ids.end());
  } else if (args.size() != 2) {
    return error(kSyntax);
  }
  const int64_t now_us = base::monotonic_us();
  std::string lines;
  for (const ClientPtr& one : clients.all()) {
    if (type && !has_type(*one, *type)) continue;
    if (!ids.empty() && !std::binary_search(ids.begin(), ids.end(), one->id)) continue;
    lines += clients.line(*one, now_us);
  }
  std::string reply;
  resp::append_verbatim(reply, lines, client.protocol.load());
  return reply;
}

// The filters of CLIENT KILL; empty ones match every client.
struct KillFilter {
  int64_t id = 0;
  std::string_view address, local_address, type, user;
  bool skip_me = true;

  bool matches(const Client& client, const Clients& clients) const {
    return (id == 0 || client.id == id) && (address.empty() || client.address == address) &&
           (local_address.empty() || client.local_address == local_address) &&
           (type.empty() || has_type(client, type)) &&
           (user.empty() || user == clients.user(client));
  }
};

// Returns the text of an error, or "".
std::string parse_kill(Args args, const Clients& clients, KillFilter& filter) {
  if (args.size() % 2 != 0) return std::string(kSyntax);
  for (size_t i = 2; i < args.size(); i += 2) {
    const std::string_view value = args[i + 1];
    if (is(args[i], "id")) {
      if (!resp::parse_strict_integer(value, filter.id) || filter.id < 1)
        return "ERR client-id should be greater than 0";
    } else if (is(args[i], "addr")) {
      filter.address = value;
    } else if (is(args[i], "laddr")) {
      filter.local_address = value;
    } else if (is(args[i], "user")) {
      if (!clients.user_exists(value)) return "ERR No such user '" + std::string(value) + "'";
      filter.user = value;
    } else if (is(args[i], "type")) {
      if (!is_client_type(value)) return "ERR Unknown client type '" + std::string(value) + "'";
      filter.type = value;
    } else if (is(args[i], "skipme") && (is(value, "yes") || is(value, "no"))) {
      filter.skip_me = is(value, "yes");
    } else {
      return std::string(kSyntax);
    }
  }
  return "";
}

LocalReply kill(Args args, Client& self, Clients& clients) {
  KillFilter filter;
  const bool old_form = args.size() == 3;
  if (old_form) {
    filter.address = args[2];
    filter.skip_me = false;
  } else if (const std::string wrong = parse_kill(args, clients, filter); !wrong.empty()) {
    return {Place::kHere, error(wrong)};
  }
  LocalReply reply;
  int64_t killed = 0;
  for (const ClientPtr& client : clients.all()) {
    if (!filter.matches(*client, clients)) continue;
    if (client->id == self.id) {
      if (filter.skip_me) continue;
      reply.close = true;
    } else {
      client->kill();
    }
    ++killed;
  }
  if (old_form) reply.bytes = killed > 0 ? ok() : error("ERR No such client");
  else reply.bytes = integer(killed);
  return reply;
}

std::string get_name(const Client& client, const Clients& clients) {
  const std::string name = clients.name(client);
  std::string reply;
  if (name.empty()) resp::append_null(reply, client.protocol.load());
  else resp::append_bulk(reply, name);
  return reply;
}

std::string set_name(std::string_view name, Client& client, Clients& clients) {
  if (!is_plain_name(name)) return error(kBadName);
  clients.set_name(client, name);
  return ok();
}

// Newer than Redis 7.0, but drivers send it as a greeting.
std::string set_info(Args args, Client& client, Clients& clients) {
  const bool version = is(args[2], "lib-ver");
  if (!version && !is(args[2], "lib-name"))
    return error("ERR Unrecognized option '" + std::string(args[2]) + "'");
  if (!is_plain_name(args[3])) {
    return error("ERR " + resp::lower(args[2]) +
                 " cannot contain spaces, newlines or special characters.");
  }
  clients.set_library(client, version, args[3]);
  return ok();
}

std::string info(const Client& client, const Clients& clients) {
  std::string reply;
  resp::append_verbatim(reply, clients.line(client, base::monotonic_us()), client.protocol.load());
  return reply;
}

std::string no_evict(std::string_view arg, Client& client) {
  if (!is(arg, "on") && !is(arg, "off")) return error(kSyntax);
  client.no_evict = is(arg, "on");
  return ok();
}

std::string greeting(const Client& client, std::string_view redis_version) {
  const int protocol = client.protocol.load();
  std::string reply;
  resp::append_map_header(reply, 7, protocol);
  resp::append_bulk(reply, "server");
  resp::append_bulk(reply, "redis");
  resp::append_bulk(reply, "version");
  resp::append_bulk(reply, redis_version);
  resp::append_bulk(reply, "proto");
  resp::append_integer(reply, protocol);
  resp::append_bulk(reply, "id");
  resp::append_integer(reply, client.id);
  resp::append_bulk(reply, "mode");
  resp::append_bulk(reply, "standalone");
  resp::append_bulk(reply, "role");
  resp::append_bulk(reply, "master");
  resp::append_bulk(reply, "modules");
  resp::append_array_header(reply, 0);
  return reply;
}

}  // namespace

std::string error_line(std::string_view text) {
  std::string reply;
  resp::append_error(reply, text);
  return reply;
}

std::string wrong_arity(std::string_view command) {
  return error("ERR wrong number of arguments for '" + resp::lower(command) + "' command");
}

std::string hello(Args args, Client& client, Clients& clients, std::string_view redis_version,
                  LoginPort* login) {
  int64_t version = client.protocol.load();
  if (args.size() > 1) {
    if (!resp::parse_strict_integer(args[1], version))
      return error("ERR Protocol version is not an integer or out of range");
    if (version != 2 && version != 3) return error("NOPROTO unsupported protocol version");
  }
  std::optional<std::string_view> name, user;
  std::string_view password;
  for (size_t i = 2; i < args.size(); ++i) {
    const size_t more = args.size() - i - 1;
    if (is(args[i], "auth") && more >= 2) {
      user = args[i + 1];
      password = args[i + 2];
      i += 2;
    } else if (is(args[i], "setname") && more >= 1) {
      name = args[++i];
      if (!is_plain_name(*name)) return error(kBadName);
    } else {
      return error("ERR Syntax error in HELLO option '" + std::string(args[i]) + "'");
    }
  }
  if (user) {
    if (const std::string wrong = log_in(*user, password, login); !wrong.empty())
      return error(wrong);
  }
  if (login != nullptr && !login->authenticated()) return error(kHelloBeforeLogin);
  if (name) clients.set_name(client, *name);
  client.protocol = static_cast<int>(version);
  return greeting(client, redis_version);
}

std::string auth(Args args, LoginPort* login) {
  if (args.size() < 2) return wrong_arity("auth");
  if (args.size() > 3) return error(kSyntax);
  if (args.size() == 2 && (login == nullptr || !login->default_needs_password())) {
    return error("ERR AUTH <password> called without any password configured for the default "
                 "user. Are you sure your configuration is correct?");
  }
  const std::string_view name = args.size() == 2 ? "default" : args[1];
  const std::string wrong = log_in(name, args.back(), login);
  return wrong.empty() ? ok() : error(wrong);
}

ClientPlace client_place(Args args) {
  struct Subcommand {
    std::string_view name;
    int arity;  // as in Redis: exact, or at least the absolute value
    ClientPlace place;
  };
  using enum ClientPlace;
  static constexpr Subcommand kSubcommands[] = {
      {"id", 2, kHere},            {"getname", 2, kHere},      {"setname", 3, kHere},
      {"setinfo", 4, kHere},       {"info", 2, kHere},         {"list", -2, kHere},
      {"kill", -3, kHere},         {"no-evict", 3, kHere},     {"reply", 3, kReply},
      {"pause", -3, kPause},       {"unpause", 2, kPause},     {"unblock", -3, kUnblock},
      {"tracking", -3, kTracking}, {"no-touch", 3, kTracking}, {"trackinginfo", 2, kRedis},
      {"getredir", 2, kRedis},     {"caching", 3, kRedis},     {"help", 2, kRedis}};
  if (args.size() < 2) return kWrong;
  const auto* found = std::find_if(std::begin(kSubcommands), std::end(kSubcommands),
                                   [&](const Subcommand& s) { return is(args[1], s.name); });
  if (found == std::end(kSubcommands)) return kUnknown;
  const int count = static_cast<int>(args.size());
  const bool wrong = found->arity > 0 ? count != found->arity : count < -found->arity;
  return wrong ? kWrong : found->place;
}

LocalReply client_command(Args args, Client& client, Clients& clients) {
  const std::string_view name = args[1];
  if (is(name, "kill")) return kill(args, client, clients);
  if (is(name, "id")) return {Place::kHere, integer(client.id)};
  if (is(name, "getname")) return {Place::kHere, get_name(client, clients)};
  if (is(name, "setname")) return {Place::kHere, set_name(args[2], client, clients)};
  if (is(name, "setinfo")) return {Place::kHere, set_info(args, client, clients)};
  if (is(name, "info")) return {Place::kHere, info(client, clients)};
  if (is(name, "list")) return {Place::kHere, list(args, client, clients)};
  return {Place::kHere, no_evict(args[2], client)};
}

bool for_sluice(Args args) {
  const bool get = args.size() >= 3 && is(args[1], "get");
  const bool set = args.size() >= 4 && args.size() % 2 == 0 && is(args[1], "set");
  for (size_t i = 2; (get || set) && i < args.size(); i += set ? 2 : 1) {
    if (is_sluice_key(args[i])) return true;
  }
  return false;
}

LocalReply config_command(Args args, LiveConfig& config, int protocol) {
  if (!for_sluice(args)) return {Place::kForward};
  const bool set = is(args[1], "set");
  size_t own = 0, names = 0;
  for (size_t i = 2; i < args.size(); i += set ? 2 : 1) {
    own += is_sluice_key(args[i]) ? 1 : 0;
    ++names;
  }
  if (own < names) {
    return {Place::kHere, error("ERR Sluice: ask for sluice.* keys and for keys of Redis in "
                                "separate CONFIG calls")};
  }
  if (set) {
    std::vector<std::pair<std::string_view, std::string_view>> pairs;
    for (size_t i = 2; i < args.size(); i += 2) pairs.emplace_back(args[i], args[i + 1]);
    const Status status = config.set(pairs);
    return {Place::kHere, status ? ok() : error("ERR " + status.error().message())};
  }
  std::map<std::string, std::string> found;
  for (std::string_view pattern : args.subspan(2)) {
    for (auto& [name, text] : config.get(pattern)) found.emplace(name, text);
  }
  LocalReply reply;
  resp::append_map_header(reply.bytes, found.size(), protocol);
  for (const auto& [name, text] : found) {
    resp::append_bulk(reply.bytes, name);
    resp::append_bulk(reply.bytes, text);
  }
  return reply;
}

}  // namespace sluice::proxy::front
