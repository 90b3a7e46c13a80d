// doctor's checks of a Redis. proxy/sale/server_check.h refuses to sell on what stands here as an
// error.
#include <algorithm>
#include <array>

#include "base/decimal.h"
#include "ctl/doctor.h"
#include "resp/info.h"

namespace sluice::ctl::doctor {
namespace {

constexpr int64_t kRedisClockMaxMs = 500;

// Those that could be asked.
template <class Each>
void each_redis(const Gathered& gathered, const Each& each) {
  for (const RedisFacts& redis : gathered.redises) {
    if (redis.trouble.empty()) each(redis);
  }
}

void redis_reachable(const Gathered& gathered, Findings& findings) {
  for (const RedisFacts& redis : gathered.redises) {
    if (redis.trouble.empty()) continue;
    findings.push_back({Severity::kError, redis.where(),
                        redis.trouble + "; nothing else of it was looked at",
                        "start it, or correct redis.servers, redis.username and "
                        "redis.password_file"});
  }
}

// "7.0.15" is at least 6.2.
bool is_new_enough(const std::string& version) {
  int64_t major = 0, minor = 0;
  const size_t dot = std::min(version.find('.'), version.size());
  base::parse_decimal(std::string_view(version).substr(0, dot), major);
  const std::string rest = version.substr(std::min(dot + 1, version.size()));
  base::parse_decimal(std::string_view(rest).substr(0, rest.find('.')), minor);
  return major > 6 || (major == 6 && minor >= 2);
}

void redis_version(const Gathered& gathered, Findings& findings) {
  each_redis(gathered, [&](const RedisFacts& redis) {
    const std::string version = resp::info_value(redis.info, "redis_version");
    if (version.empty() || is_new_enough(version)) return;
    findings.push_back({Severity::kError, redis.where(), "it is Redis " + version,
                        "use Redis 6.2 or newer, or Valkey"});
  });
}

void redis_eviction(const Gathered& gathered, Findings& findings) {
  each_redis(gathered, [&](const RedisFacts& redis) {
    const std::string policy = resp::info_value(redis.info, "maxmemory_policy");
    if (policy.empty() || policy == "noeviction") return;
    findings.push_back({Severity::kError, redis.where(),
                        "maxmemory-policy is " + policy + ", so what is on sale may be evicted",
                        "CONFIG SET maxmemory-policy noeviction, and the same in redis.conf"});
  });
}

void redis_persistence(const Gathered& gathered, Findings& findings) {
  each_redis(gathered, [&](const RedisFacts& redis) {
    const bool appends = resp::info_value(redis.info, "aof_enabled") == "1";
    if (appends || !redis.save || !redis.save->empty()) return;
    findings.push_back(
        {Severity::kWarning, redis.where(),
         "it keeps nothing on disk (appendonly no, save \"\"): after its restart nothing can be "
         "sold until the journals have rebuilt it, and everything else in it is lost",
         "CONFIG SET appendonly yes, and the same in redis.conf"});
  });
}

void redis_last_save(const Gathered& gathered, Findings& findings) {
  each_redis(gathered, [&](const RedisFacts& redis) {
    for (const char* name :
         {"rdb_last_bgsave_status", "aof_last_write_status", "aof_last_bgrewrite_status"}) {
      const std::string status = resp::info_value(redis.info, name);
      if (status.empty() || status == "ok") continue;
      findings.push_back({Severity::kError, redis.where(), std::string(name) + " is " + status,
                          "see its log and the space on its disk; it may refuse every write "
                          "(MISCONF)"});
    }
  });
}

void redis_replica(const Gathered& gathered, Findings& findings) {
  each_redis(gathered, [&](const RedisFacts& redis) {
    if (resp::info_value(redis.info, "role") != "slave") return;
    findings.push_back({Severity::kError, redis.where(),
                        "it is a read-only replica of " +
                            resp::info_value(redis.info, "master_host") + ":" +
                            resp::info_value(redis.info, "master_port"),
                        "put its primary into redis.servers"});
  });
}

void redis_loading(const Gathered& gathered, Findings& findings) {
  each_redis(gathered, [&](const RedisFacts& redis) {
    if (resp::info_value(redis.info, "loading") != "1") return;
    findings.push_back({Severity::kWarning, redis.where(), "it is loading its data",
                        "wait for it; nothing can be sold meanwhile"});
  });
}

void redis_rights(const Gathered& gathered, Findings& findings) {
  each_redis(gathered, [&](const RedisFacts& redis) {
    if (redis.refused.empty()) return;
    std::string list;
    constexpr size_t kShown = 5;
    for (size_t i = 0; i < std::min(kShown, redis.refused.size()); ++i)
      list += (i == 0 ? "" : ", ") + redis.refused[i];
    if (redis.refused.size() > kShown)
      list += " and " + std::to_string(redis.refused.size() - kShown) + " more";
    const std::string user = redis.target.username.empty() ? "default" : redis.target.username;
    findings.push_back({Severity::kError, redis.where(),
                        "its user " + user + " may not do what a sale needs: " + list,
                        "ACL SETUSER " + user +
                            " ~sluice:* +@read +@write +@scripting +@connection +@transaction "
                            "+info +time; what clients send passes under this user, too"});
  });
}

void redis_clock(const Gathered& gathered, Findings& findings) {
  each_redis(gathered, [&](const RedisFacts& redis) {
    if (!redis.clock || std::abs(redis.clock->ahead_ms) <= kRedisClockMaxMs + redis.clock->error_ms)
      return;
    const int64_t ahead_ms = redis.clock->ahead_ms;
    findings.push_back({Severity::kError, redis.where(),
                        "its clock is " + std::to_string(std::abs(ahead_ms)) + " ms " +
                            (ahead_ms > 0 ? "ahead of" : "behind") + " this machine's",
                        "synchronise both (chrony or systemd-timesyncd); when a sale begins and "
                        "ends goes by Redis's clock, what an order's id tells by the proxy's"});
  });
}

void redis_shelves(const Gathered& gathered, Findings& findings) {
  for (const ProxyFacts& proxy : gathered.proxies) {
    const RedisFacts& redis = gathered.redises[proxy.redis];
    const int64_t configured = proxy.config.integer("sale.shelves");
    if (redis.shelves == 0 || redis.shelves == configured) continue;
    const std::string there = std::to_string(redis.shelves);
    findings.push_back({Severity::kError, proxy.path,
                        "sale.shelves is " + std::to_string(configured) + ", the sale in " +
                            redis.where() + " has " + there,
                        "write sale.shelves = " + there});
  }
}

// A journal that the folder has taken over may still stand there until its proxy starts.
bool is_own(const JournalFacts& journal, const std::string& id) {
  if (!journal.extent) return false;
  if (std::to_string(journal.extent->journal_id) == id) return true;
  return std::any_of(journal.predecessors.begin(), journal.predecessors.end(),
                     [&](uint64_t one) { return std::to_string(one) == id; });
}

void redis_proxy_id(const Gathered& gathered, Findings& findings) {
  for (const ProxyFacts& proxy : gathered.proxies) {
    const RedisFacts& redis = gathered.redises[proxy.redis];
    const auto found = proxy.lane ? redis.peers.find(*proxy.lane) : redis.peers.end();
    if (found == redis.peers.end() || !found->second.is_member) continue;
    const Peer& peer = found->second;
    const JournalFacts& journal = gathered.journals[proxy.journal];
    if (is_own(journal, peer.journal)) continue;
    findings.push_back(
        {Severity::kError, proxy.path,
         "its proxy.id " + std::to_string(*proxy.lane) + " is that of journal " + peer.journal +
             " on host " + peer.host + " in " + redis.where() + ", and " + journal.dir + " has " +
             (journal.extent ? "journal " + std::to_string(journal.extent->journal_id)
                             : std::string("no journal")),
         "give this proxy another proxy.id; or, if that journal is lost, take it over: sluice-ctl "
         "journal adopt"});
  }
}

void redis_unknown(const Gathered& gathered, Findings& findings) {
  each_redis(gathered, [&](const RedisFacts& redis) {
    if (redis.unknown.empty()) return;
    findings.push_back({Severity::kError, redis.where(),
                        "it fell silent, and what was left was not looked at: " + redis.unknown,
                        "see its log and SLOWLOG GET for what keeps it busy, and look again"});
  });
}

constexpr std::array kRedisChecks{
    Check{"redis.reachable", redis_reachable}, Check{"redis.version", redis_version},
    Check{"redis.eviction", redis_eviction},   Check{"redis.persistence", redis_persistence},
    Check{"redis.last_save", redis_last_save}, Check{"redis.replica", redis_replica},
    Check{"redis.loading", redis_loading},     Check{"redis.rights", redis_rights},
    Check{"redis.clock", redis_clock},         Check{"redis.shelves", redis_shelves},
    Check{"redis.proxy_id", redis_proxy_id},   Check{"redis.unknown", redis_unknown},
};

}  // namespace

std::span<const Check> redis_checks() { return kRedisChecks; }

}  // namespace sluice::ctl::doctor
