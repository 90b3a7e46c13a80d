// `sluice-ctl peers list | forget`: the proxies that sell through one Redis, and giving one up that
// will never come back. What the fields of sluice:proxies mean: proxy/sale/heartbeat.h.
#include <hiredis/hiredis.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <map>
#include <memory>
#include <set>
#include <thread>

#include "base/error.h"
#include "base/toml.h"
#include "ctl/commands.h"

namespace sluice::ctl {
namespace {

constexpr int kExitFailed = 1;
constexpr int kExitInvalid = 2;
constexpr auto kBeats = std::chrono::milliseconds(1200);  // a proxy beats twice a second
constexpr timeval kTimeout{5, 0};
constexpr char kProxies[] = "sluice:proxies";

using Table = std::map<std::string, std::string>;
using Connection = std::unique_ptr<redisContext, void (*)(redisContext*)>;

struct Arguments {
  std::string server = "127.0.0.1:6379";
  std::string username, password_file;
  std::vector<unsigned> lanes;
};

Error invalid(const std::string& message) { return Error(ErrorClass::kInvalid, message); }

Status read_config(const std::string& path, Arguments& arguments) {
  const toml::parse_result file = toml::parse_file(path);
  if (!file) {
    return invalid(path + ":" + std::to_string(file.error().source().begin.line) + ": " +
                   std::string(file.error().description()));
  }
  const auto redis = file["redis"];
  arguments.server = redis["servers"][0].value_or(arguments.server);
  arguments.username = redis["username"].value_or(arguments.username);
  arguments.password_file = redis["password_file"].value_or(arguments.password_file);
  return {};
}

// Flags count over the file, whatever their order: the file is read first.
Result<Arguments> parse(const std::string& verb, std::span<const std::string> args) {
  Arguments arguments;
  std::string config;
  for (int round = 0; round < 2; ++round) {
    CLI::App app(verb == "list" ? "Lists the proxies that sell through one Redis."
                                : "Gives proxies up: no item waits for what they may have sold.",
                 "sluice-ctl peers " + verb);
    app.add_option("--config", config, "proxy.toml to take the following from");
    app.add_option("--server", arguments.server, "HOST:PORT of Redis, or its unix socket's path");
    app.add_option("--user", arguments.username, "user to log in as");
    app.add_option("--password-file", arguments.password_file,
                   "file whose first line is the password");
    if (verb == "forget") {
      app.add_option("ID", arguments.lanes, "proxy.id of each")
          ->required()
          ->check(CLI::Range(0, 1023));
    }
    try {
      std::vector<std::string> reversed(args.rbegin(), args.rend());
      arguments.lanes.clear();
      app.parse(reversed);
    } catch (const CLI::ParseError& failure) {
      app.exit(failure, std::cout, std::cerr);
      if (failure.get_exit_code() == 0) return Error(ErrorClass::kExists, "");
      return invalid("see `sluice-ctl peers " + verb + " --help`");
    }
    if (round == 0 && !config.empty()) SLUICE_TRY(read_config(config, arguments));
  }
  return arguments;
}

// The flat reply of a command; an error reply is an Error.
Result<std::vector<std::string>> ask(redisContext& redis, const std::vector<std::string>& words) {
  std::vector<const char*> texts;
  std::vector<size_t> lengths;
  for (const std::string& word : words) {
    texts.push_back(word.data());
    lengths.push_back(word.size());
  }
  const std::unique_ptr<redisReply, void (*)(void*)> reply(
      static_cast<redisReply*>(
          redisCommandArgv(&redis, static_cast<int>(words.size()), texts.data(), lengths.data())),
      freeReplyObject);
  if (!reply) return Error(ErrorClass::kUnavailable, redis.errstr);
  if (reply->type == REDIS_REPLY_ERROR) {
    // Of a command that Redis does not know it repeats the arguments, and a password is one.
    return Error(ErrorClass::kRefused, words[0] == "AUTH" ? "the login was refused" : reply->str);
  }
  std::vector<std::string> flat;
  for (size_t i = 0; i < (reply->type == REDIS_REPLY_ARRAY ? reply->elements : 0); ++i) {
    flat.emplace_back(reply->element[i]->str, reply->element[i]->len);
  }
  return flat;
}

Result<Connection> connect(const Arguments& arguments) {
  const size_t colon = arguments.server.rfind(':');
  const bool is_path = arguments.server.starts_with('/');
  if (!is_path && colon == std::string::npos) return invalid("--server: write HOST:PORT");
  const int port = is_path ? 0 : std::atoi(arguments.server.c_str() + colon + 1);
  Connection redis(
      is_path ? redisConnectUnixWithTimeout(arguments.server.c_str(), kTimeout)
              : redisConnectWithTimeout(arguments.server.substr(0, colon).c_str(), port, kTimeout),
      redisFree);
  if (!redis || redis->err != 0) {
    return Error(ErrorClass::kUnavailable, redis ? redis->errstr : "out of memory");
  }
  redisSetTimeout(redis.get(), kTimeout);
  if (arguments.password_file.empty()) return redis;
  std::ifstream file(arguments.password_file);
  std::string password;
  if (!std::getline(file, password)) return invalid(arguments.password_file + " cannot be read");
  std::vector<std::string> auth{"AUTH"};
  if (!arguments.username.empty()) auth.push_back(arguments.username);
  auth.push_back(password);
  const auto logged_in = ask(*redis, auth);
  if (!logged_in) return logged_in.error();
  return redis;
}

Result<Table> read_table(redisContext& redis) {
  const auto flat = ask(redis, {"HGETALL", kProxies});
  if (!flat) return flat.error();
  Table table;
  for (size_t i = 0; i + 1 < flat->size(); i += 2) table[(*flat)[i]] = (*flat)[i + 1];
  return table;
}

bool is_id(const std::string& name) {
  return !name.empty() && std::all_of(name.begin(), name.end(),
                                      [](unsigned char c) { return std::isdigit(c) != 0; });
}

// Those whose heart beats between two looks.
Result<std::set<std::string>> running(redisContext& redis, const Table& before) {
  std::this_thread::sleep_for(kBeats);
  const auto now = read_table(redis);
  if (!now) return now.error();
  std::set<std::string> ids;
  for (const auto& [name, value] : *now) {
    const size_t colon = name.find(":beat");
    const auto earlier = before.find(name);
    if (colon != std::string::npos && (earlier == before.end() || earlier->second != value)) {
      ids.insert(name.substr(0, colon));
    }
  }
  return ids;
}

Status list(redisContext& redis) {
  const auto table = read_table(redis);
  if (!table) return table.error();
  const auto alive = running(redis, *table);
  if (!alive) return alive.error();
  std::printf("%-6s %-21s %-8s %s\n", "proxy", "journal", "running", "known by");
  for (const auto& [name, value] : *table) {
    if (!is_id(name)) continue;
    std::string known_by;
    for (const auto& [other, unused] : *table) {
      const size_t arrow = other.find('>');
      if (arrow != std::string::npos && other.substr(arrow + 1) == name) {
        known_by += (known_by.empty() ? "" : " ") + other.substr(0, arrow);
      }
    }
    std::printf("%-6s %-21s %-8s %s\n", name.c_str(), value.c_str(),
                alive->contains(name) ? "yes" : "no", known_by.empty() ? "-" : known_by.c_str());
  }
  for (const auto& [name, value] : *table) {
    if (name.starts_with("forget:")) std::printf("given up: proxy %s\n", name.c_str() + 7);
  }
  return {};
}

Status forget(redisContext& redis, const std::vector<unsigned>& lanes) {
  const auto table = read_table(redis);
  if (!table) return table.error();
  const auto alive = running(redis, *table);
  if (!alive) return alive.error();
  for (const unsigned lane : lanes) {
    const std::string id = std::to_string(lane);
    if (alive->contains(id)) return invalid("proxy " + id + " is running; stop it first");
  }
  for (const unsigned lane : lanes) {
    const std::string id = std::to_string(lane);
    // First the word, then what it makes void: no proxy sees the member gone without it.
    auto done = ask(redis, {"HSET", kProxies, "forget:" + id, "1"});
    if (!done) return done.error();
    std::vector<std::string> words{"HDEL", kProxies, id};
    for (const auto& [name, value] : *table) {
      if (name.starts_with(id + ">") || name.starts_with(id + ":") || name.ends_with(">" + id)) {
        words.push_back(name);
      }
    }
    done = ask(redis, words);
    if (!done) return done.error();
    std::printf("proxy %s is given up; what only its journal knows is not waited for\n",
                id.c_str());
  }
  return {};
}

}  // namespace

int peers_command(std::span<const std::string> args) {
  if (args.empty() || (args[0] != "list" && args[0] != "forget")) {
    std::fprintf(stderr,
                 "usage: sluice-ctl peers list [--config FILE | --server HOST:PORT]\n"
                 "       sluice-ctl peers forget ID... [--config FILE | --server HOST:PORT]\n");
    return kExitInvalid;
  }
  const auto arguments = parse(args[0], args.subspan(1));
  if (!arguments && arguments.error().cls() == ErrorClass::kExists) return 0;  // --help
  const auto run = [&]() -> Status {
    if (!arguments) return arguments.error();
    const auto redis = connect(*arguments);
    if (!redis) return redis.error().at("Redis at " + arguments->server);
    return args[0] == "list" ? list(**redis) : forget(**redis, arguments->lanes);
  };
  const Status done = run();
  if (done) return 0;
  std::fprintf(stderr, "peers %s: %s\n", args[0].c_str(), done.error().message().c_str());
  return arguments ? kExitFailed : kExitInvalid;
}

}  // namespace sluice::ctl
