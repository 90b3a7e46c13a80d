#include "proxy/front/connection_commands.h"

#include <algorithm>
#include <optional>

#include "base/clock.h"
#include "proxy/front/args.h"
#include "proxy/front/client_filter.h"
#include "resp/names.h"
#include "resp/request_parser.h"
#include "resp/writer.h"

namespace sluice::proxy::front {
namespace {

using Place = LocalReply::Place;

constexpr std::string_view kWrongPassword =
    "WRONGPASS invalid username-password pair or user is disabled.";

std::string error(std::string_view text) { return error_line(text); }

std::string ok() { return "+OK\r\n"; }

std::string integer(int64_t value) {
  std::string reply;
  resp::append_integer(reply, value);
  return reply;
}

bool is_sluice_key(std::string_view name) {
  return name.size() >= 7 && is(name.substr(0, 7), "sluice.");
}

// Without users configured there is the default user, who needs no password.
bool may_log_in(std::string_view user) { return user == "default"; }

std::string log_in(std::string_view name, std::string_view password, LoginPort* login) {
  if (login != nullptr) return login->log_in(name, password);
  return may_log_in(name) ? "" : std::string(kWrongPassword);
}

std::string list(Args args, const Client& self, Clients& clients) {
  const Result<ClientFilter> filter = ClientFilter::parse(args.subspan(2), false);
  if (!filter) return error("ERR " + filter.error().message());
  const int64_t now_us = base::monotonic_us();
  std::string lines;
  for (const ClientPtr& client : clients.all()) {
    if (filter->skips_self() && client->id == self.id) continue;
    if (filter->matches(*client, clients, now_us)) lines += clients.line(*client, now_us);
  }
  std::string reply;
  resp::append_verbatim(reply, lines, self.protocol.load());
  return reply;
}

LocalReply kill(Args args, std::string_view server, Client& self, Clients& clients) {
  // The old form: an address alone, which may be the client's own.
  const bool old_form = args.size() == 3;
  const std::string_view by_address[] = {"addr", args[2]};
  const auto filter = old_form ? ClientFilter::parse(by_address, false)
                               : ClientFilter::parse(args.subspan(2), true);
  if (!filter) return {Place::kHere, error("ERR " + filter.error().message())};
  LocalReply reply;
  int64_t killed = 0;
  const int64_t now_us = base::monotonic_us();
  for (const ClientPtr& client : clients.all()) {
    if (!filter->matches(*client, clients, now_us)) continue;
    if (client->id == self.id) {
      if (filter->skips_self()) continue;
      reply.close = true;
    } else {
      client->kill();
    }
    ++killed;
  }
  if (!old_form) reply.bytes = integer(killed);
  else if (killed > 0) reply.bytes = ok();
  else reply.bytes = refuses(server) ? std::string(server) : error("ERR No such client");
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
  clients.set_name(client, name);
  return ok();
}

std::string set_info(Args args, Client& client, Clients& clients) {
  clients.set_library(client, is(args[2], "lib-ver"), args[3]);
  return ok();
}

std::string info(const Client& client, const Clients& clients) {
  std::string reply;
  resp::append_verbatim(reply, clients.line(client, base::monotonic_us()), client.protocol.load());
  return reply;
}

std::string no_evict(std::string_view arg, Client& client) {
  client.no_evict = is(arg, "on");
  return ok();
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

std::optional<HelloRequest> parse_hello(Args args, int protocol) {
  HelloRequest request;
  int64_t version = protocol;
  if (args.size() > 1 && !resp::parse_strict_integer(args[1], version)) return std::nullopt;
  if (version != 2 && version != 3) return std::nullopt;
  request.protocol = static_cast<int>(version);
  for (size_t i = 2; i < args.size(); ++i) {
    const size_t more = args.size() - i - 1;
    if (is(args[i], "auth") && more >= 2) {
      request.user = args[i + 1];
      request.password = args[i + 2];
      i += 2;
    } else if (is(args[i], "setname") && more >= 1) {
      request.name = args[++i];
      if (!is_plain_name(*request.name)) return std::nullopt;
    } else {
      return std::nullopt;
    }
  }
  return request;
}

std::string hello(const HelloRequest& request, Client& client, Clients& clients,
                  const ServerHello& server, LoginPort* login,
                  std::string_view before_login) {
  if (request.user) {
    const std::string wrong = log_in(*request.user, request.password, login);
    if (!wrong.empty()) return error(wrong);
  }
  if (login != nullptr && !login->authenticated()) return error(before_login);
  if (request.name) clients.set_name(client, *request.name);
  client.protocol = request.protocol;
  return server.reply(request.protocol, client.id);
}

std::string auth(Args args, LoginPort* login) {
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
      {"getredir", 2, kRedis},     {"caching", 3, kRedis},     {"help", 2, kRedis},
      {"import-source", 3, kTracking}};
  if (args.size() < 2) return kWrong;
  const auto* found = std::find_if(std::begin(kSubcommands), std::end(kSubcommands),
                                   [&](const Subcommand& s) { return is(args[1], s.name); });
  if (found == std::end(kSubcommands)) return kUnknown;
  const int count = static_cast<int>(args.size());
  const bool wrong = found->arity > 0 ? count != found->arity : count < -found->arity;
  return wrong ? kWrong : found->place;
}

LocalReply client_command(Args args, std::string_view server, Client& client, Clients& clients) {
  const std::string_view name = args[1];
  if (is(name, "kill")) return kill(args, server, client, clients);
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
