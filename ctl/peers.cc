// `sluice-ctl peers list | forget`: the proxies that sell through one Redis, and giving one up that
// will never come back. What the shelves say of them: docs/architecture.md.
#include <algorithm>
#include <boost/json.hpp>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <optional>
#include <thread>
#include <vector>

#include "base/command_line.h"
#include "base/error.h"
#include "ctl/commands.h"
#include "ctl/config_file.h"
#include "ctl/redis_connection.h"
#include "ctl/redis_items.h"
#include "ctl/redis_lanes.h"
#include "ctl/redis_peers.h"
#include "shelves/shelf_of.h"

namespace sluice::ctl {
namespace {

constexpr auto kBeats = std::chrono::milliseconds(1200);  // a proxy beats twice a second

struct Arguments {
  RedisTarget redis;
  std::vector<Lane> lanes;
  bool json = false;
};

using base::invalid;

// kExists: help was asked for and printed.
Result<Arguments> parse(const std::string& verb, std::span<const std::string> args) {
  Arguments arguments;
  std::string path, server, username, password_file;
  base::CommandLine line(verb == "list"
                             ? "Lists the proxies that sell through one Redis."
                             : "Gives proxies up: no shelf waits for what they may have sold.",
                         "sluice-ctl peers " + verb);
  line.option("--config", &path, "proxy.toml to take the following from");
  line.option("--server", &server, "HOST:PORT of Redis, or its unix socket's path");
  line.option("--user", &username, "user to log in as");
  line.option("--password-file", &password_file, "file whose first line is the password");
  if (verb == "list") {
    line.flag("--json", &arguments.json, "print one JSON object");
  } else {
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

// Those whose heart beats between two looks.
Result<LaneSet> running(RedisConnection& redis, uint32_t shelves, const Peers& before) {
  std::this_thread::sleep_for(kBeats);
  const auto now = read_peers(redis, shelves);
  if (!now) return now.error();
  LaneSet lanes;
  for (const auto& [lane, peer] : *now) {
    const auto earlier = before.find(lane);
    const bool beats = earlier == before.end() || peer.members != earlier->second.members;
    if (beats && peer.is_member && peer.beat_ms != 0) lanes.insert(lane);
  }
  return lanes;
}

std::string last_beat(const Peer& peer, int64_t now_ms) {
  if (peer.beat_ms == 0) return "stopped";
  return std::to_string(std::max<int64_t>(0, now_ms - peer.beat_ms) / 1000) + "s ago";
}

// Those that have it in their `peers` file, by all that they say.
std::string known_by(const Peers& peers, Lane lane) {
  std::string list;
  for (const auto& [other, peer] : peers) {
    const auto known = peer.known_on.find(lane);
    if (other == lane || known == peer.known_on.end() || known->second < peer.knows_on) continue;
    list += (list.empty() ? "" : " ") + std::to_string(other);
  }
  return list.empty() ? "-" : list;
}

// Redis may have been flushed a moment ago: whoever runs is back on the shelves with its next beat.
Result<uint32_t> shelves_of(RedisConnection& redis) {
  auto shelves = shelf_count(redis);
  if (!shelves || *shelves != 0) return shelves;
  std::this_thread::sleep_for(kBeats);
  return shelf_count(redis);
}

void print_table(const Peers& peers, const LaneSet& alive, int64_t now_ms, uint32_t shelves) {
  constexpr const char* kRow = "%-6s %-21s %-8s %-10s %-20s %s\n";
  std::printf(kRow, "proxy", "journal", "running", "last-beat", "host", "known by");
  for (const auto& [lane, peer] : peers) {
    if (!peer.is_member) continue;
    std::printf(kRow, std::to_string(lane).c_str(), peer.journal.c_str(),
                alive.contains(lane) ? "yes" : "no", last_beat(peer, now_ms).c_str(),
                peer.host.c_str(), known_by(peers, lane).c_str());
  }
  for (const auto& [lane, peer] : peers) {
    if (peer.is_given_up) std::printf("given up: proxy %u\n", lane);
  }
  for (const auto& [lane, peer] : peers) {
    if (peer.waited_for_on == 0) continue;
    std::printf("waited for: proxy %u, on %zu of %u shelves\n", lane, peer.waited_for_on, shelves);
  }
}

void print_json(const Peers& peers, const LaneSet& alive, uint32_t shelves) {
  boost::json::array proxies;
  for (const auto& [lane, peer] : peers) {
    proxies.push_back(boost::json::object{{"proxy_id", lane},
                                          {"journal_id", peer.journal},
                                          {"host", peer.host},
                                          {"is_member", peer.is_member},
                                          {"running", alive.contains(lane)},
                                          {"last_beat_ms", peer.beat_ms},
                                          {"known_by", known_by(peers, lane)},
                                          {"given_up", peer.is_given_up},
                                          {"waited_for_on_shelves", peer.waited_for_on}});
  }
  const boost::json::object object{{"shelves", shelves}, {"proxies", proxies}};
  std::printf("%s\n", boost::json::serialize(object).c_str());
}

Status list(RedisConnection& redis, bool as_json) {
  const auto shelves = shelves_of(redis);
  if (!shelves) return shelves.error();
  const auto peers = read_peers(redis, *shelves);
  if (!peers) return peers.error();
  const auto now_ms = redis_time_ms(redis);
  if (!now_ms) return now_ms.error();
  const auto alive = running(redis, *shelves, *peers);
  if (!alive) return alive.error();
  if (as_json)
    print_json(*peers, *alive, *shelves);
  else
    print_table(*peers, *alive, *now_ms, *shelves);
  return {};
}

// All at once: no proxy sees the member gone without the word.
Status forget_on(RedisConnection& redis, uint32_t shelf, const std::string& id) {
  const std::string key = shelves::shelf_key(shelf);
  redis.send({"MULTI"});
  redis.send({"HSET", key, "@forget:" + id, "1"});
  redis.send({"HDEL", key, "@member:" + id, "@knows:" + id});
  redis.send({"EXEC"});
  std::optional<Error> refused;  // every reply is to be read
  for (int i = 0; i < 4; ++i) {
    if (const auto told = redis.read(); !told) refused = told.error();
  }
  return refused ? Status(*refused) : Status();
}

// Once nothing waits for it, what Redis holds of its sales is proven by nobody: if Redis lost that,
// the units would come back as unsold, and its buyers' requests as new ones.
Status check_proven_elsewhere(RedisConnection& redis, Lane lane) {
  const auto held = RedisLanes(redis).shelves_held_by(lane);
  if (!held) return held.error();
  if (*held == 0) return {};
  const std::string id = std::to_string(lane);
  return Error(ErrorClass::kRefused,
               "proxy " + id + " has sold from " + std::to_string(*held) +
                   " shelves that have items, and only its journal proves it: have another proxy "
                   "take that over first (sluice-ctl journal adopt --also), or delete the items; "
                   "without its folder: --also " +
                   id);
}

Status forget(RedisConnection& redis, const std::vector<Lane>& lanes) {
  const auto shelves = shelves_of(redis);
  if (!shelves) return shelves.error();
  if (*shelves == 0) {
    return invalid("there is no sale in this Redis yet; start a proxy that is to sell, first");
  }
  const auto peers = read_peers(redis, *shelves);
  if (!peers) return peers.error();
  const auto alive = running(redis, *shelves, *peers);
  if (!alive) return alive.error();
  for (const Lane lane : lanes) {
    if (!alive->contains(lane)) continue;
    return invalid("proxy " + std::to_string(lane) + " is running; stop it first");
  }
  for (const Lane lane : lanes) SLUICE_TRY(check_proven_elsewhere(redis, lane));
  for (const Lane lane : lanes) {
    const std::string id = std::to_string(lane);
    for (uint32_t shelf = 0; shelf < *shelves; ++shelf) SLUICE_TRY(forget_on(redis, shelf, id));
    std::printf("proxy %s is given up; what only its journal knows is not waited for\n",
                id.c_str());
  }
  return {};
}

int run_verb(const std::string& verb, std::span<const std::string> args) {
  const auto arguments = parse(verb, args);
  if (!arguments && arguments.error().cls() == ErrorClass::kExists) return 0;  // --help
  const auto run = [&]() -> Status {
    if (!arguments) return arguments.error();
    auto redis = RedisConnection::connect(arguments->redis);
    if (!redis) return redis.error();
    return verb == "list" ? list(*redis, arguments->json) : forget(*redis, arguments->lanes);
  };
  const Status done = run();
  if (done) return 0;
  std::fprintf(stderr, "peers %s: %s\n", verb.c_str(), done.error().message().c_str());
  return arguments ? kFailed : kBadArguments;
}

}  // namespace

int peers_command(std::span<const std::string> args) {
  base::CommandLine line("The proxies that sell through one Redis.", "sluice-ctl peers");
  line.forwarding_command("list", "list them, and whom their shelves wait for",
                          [](auto words) { return run_verb("list", words); });
  line.forwarding_command("forget", "give one up for good: nothing waits for it any more",
                          [](auto words) { return run_verb("forget", words); });
  return line.run(args);
}

}  // namespace sluice::ctl
