// `sluice-ctl peers list | forget`: the proxies that sell through one Redis, and giving one up that
// will never come back. What the fields of sluice:proxies mean: proxy/sale/heartbeat.h.
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <map>
#include <set>
#include <thread>

#include "base/command_line.h"
#include "base/error.h"
#include "ctl/commands.h"
#include "ctl/config_file.h"
#include "ctl/redis_connection.h"

namespace sluice::ctl {
namespace {

constexpr auto kBeats = std::chrono::milliseconds(1200);  // a proxy beats twice a second
constexpr std::string_view kProxies = "sluice:proxies";

using Table = std::map<std::string, std::string>;

struct Arguments {
  RedisTarget redis;
  std::vector<uint32_t> lanes;
};

using base::invalid;

// kExists: help was asked for and printed.
Result<Arguments> parse(const std::string& verb, std::span<const std::string> args) {
  Arguments arguments;
  std::string path, server, username, password_file;
  base::CommandLine line(verb == "list"
                             ? "Lists the proxies that sell through one Redis."
                             : "Gives proxies up: no item waits for what they may have sold.",
                         "sluice-ctl peers " + verb);
  line.option("--config", &path, "proxy.toml to take the following from");
  line.option("--server", &server, "HOST:PORT of Redis, or its unix socket's path");
  line.option("--user", &username, "user to log in as");
  line.option("--password-file", &password_file, "file whose first line is the password");
  if (verb == "forget") {
    line.option("ID", &arguments.lanes, "proxy.id of each").required().between(0, 1023);
  }
  if (const auto end = line.parse(args)) {
    if (*end == kDone) return Error(ErrorClass::kExists, "");
    return invalid("see `sluice-ctl peers " + verb + " --help`");
  }
  base::Config::Overrides overrides;  // flags count over the file
  for (const auto& [key, text] :
       {std::pair("redis.servers", server), std::pair("redis.username", username),
        std::pair("redis.password_file", password_file)}) {
    if (!text.empty()) overrides.emplace_back(key, text);
  }
  const auto config = read_config(proxy_keys(), path, overrides);
  if (!config) return config.error();
  auto redis = redis_target(*config);
  if (!redis) return path.empty() ? redis.error() : redis.error().at(path);
  arguments.redis = std::move(*redis);
  return arguments;
}

Result<Table> read_table(RedisConnection& redis) {
  const auto flat = redis.call({"HGETALL", kProxies});
  if (!flat) return flat.error();
  Table table;
  for (size_t i = 0; i + 1 < flat->size(); i += 2) {
    table[std::string(flat->at(i).text())] = flat->at(i + 1).text();
  }
  return table;
}

bool is_id(const std::string& name) {
  return !name.empty() && std::all_of(name.begin(), name.end(),
                                      [](unsigned char c) { return std::isdigit(c) != 0; });
}

// Those whose heart beats between two looks.
Result<std::set<std::string>> running(RedisConnection& redis, const Table& before) {
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

Status list(RedisConnection& redis) {
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

Status forget(RedisConnection& redis, const std::vector<uint32_t>& lanes) {
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
    const auto told = redis.call({"HSET", kProxies, "forget:" + id, "1"});
    if (!told) return told.error();
    std::vector<std::string_view> words{"HDEL", kProxies, id};
    for (const auto& [name, value] : *table) {
      if (name.starts_with(id + ">") || name.starts_with(id + ":") || name.ends_with(">" + id)) {
        words.push_back(name);
      }
    }
    redis.send(words);
    const auto removed = redis.read();
    if (!removed) return removed.error();
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
    return kBadArguments;
  }
  const auto arguments = parse(args[0], args.subspan(1));
  if (!arguments && arguments.error().cls() == ErrorClass::kExists) return 0;  // --help
  const auto run = [&]() -> Status {
    if (!arguments) return arguments.error();
    auto redis = RedisConnection::connect(arguments->redis);
    if (!redis) return redis.error();
    return args[0] == "list" ? list(*redis) : forget(*redis, arguments->lanes);
  };
  const Status done = run();
  if (done) return 0;
  std::fprintf(stderr, "peers %s: %s\n", args[0].c_str(), done.error().message().c_str());
  return arguments ? kFailed : kBadArguments;
}

}  // namespace sluice::ctl
