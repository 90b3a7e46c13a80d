// What doctor asks of a Redis. Nothing is changed there: commands that write are queued in a MULTI
// that is discarded, since Redis judges the rights to a command when it queues it.
#include "base/clock.h"
#include "ctl/doctor.h"
#include "ctl/redis_connection.h"
#include "ctl/redis_items.h"
#include "ctl/redis_peers.h"
#include "shelves/shelf_of.h"

namespace sluice::ctl::doctor {
namespace {

using Words = std::vector<std::string>;

// All that proxy/sale and its scripts send, on one key of each kind.
std::vector<Words> commands_of_the_sale() {
  const std::string shelf = shelves::shelf_key(0), buyers = shelves::buyers_key(0, "doctor"),
                    receipts = shelves::receipts_key(0, "0");
  std::vector<Words> commands = {{"PING"},
                                 {"INFO"},
                                 {"TIME"},
                                 {"SCRIPT", "LOAD", "return 1"},
                                 {"EVAL", "return 1", "3", shelf, buyers, receipts},
                                 {"EVALSHA", std::string(40, '0'), "1", shelf},
                                 {"RPUSH", receipts, "x"},
                                 {"LRANGE", receipts, "0", "1"},
                                 {"LINDEX", receipts, "0"},
                                 {"LTRIM", receipts, "0", "1"},
                                 {"LLEN", receipts},
                                 {"DEL", receipts},
                                 {"DEL", buyers},
                                 {"UNLINK", buyers},
                                 {"EXISTS", shelf}};
  for (const std::string& key : {shelf, buyers}) {
    for (const Words& rest :
         {Words{"HGET", "@x"}, Words{"HMGET", "@x"}, Words{"HSET", "@x", "1"},
          Words{"HSETNX", "@x", "1"}, Words{"HDEL", "@x"}, Words{"HEXISTS", "@x"},
          Words{"HSCAN", "0"}, Words{"HKEYS"}, Words{"HLEN"}}) {
      Words& words = commands.emplace_back(rest);
      words.insert(words.begin() + 1, key);
    }
  }
  return commands;
}

void send(RedisConnection& redis, const Words& words) {
  const std::vector<std::string_view> views(words.begin(), words.end());
  redis.send(std::span(views));
}

bool is_no_right(const std::string& message) {
  return message.find("NOPERM") != std::string::npos ||
         message.find("unknown command") != std::string::npos;
}

void ask_rights(RedisConnection& redis, RedisFacts& facts) {
  if (const auto begun = redis.call({"MULTI"}); !begun) {
    if (!redis.lost()) facts.refused.push_back("MULTI: " + begun.error().message());
    return;
  }
  const std::vector<Words> commands = commands_of_the_sale();
  for (const Words& words : commands) send(redis, words);
  for (const Words& words : commands) {
    const auto reply = redis.read();
    if (reply || !is_no_right(reply.error().message())) continue;
    const size_t key = words[0].starts_with("EVAL") ? 3 : 1;
    facts.refused.push_back(words[0] + (words.size() > key ? " on " + words[key] : ""));
  }
  (void)redis.call({"DISCARD"});
}

}  // namespace

Clock clock_of(int64_t theirs_ms, int64_t before_ms, int64_t after_ms) {
  return {theirs_ms - (before_ms + after_ms) / 2, (after_ms - before_ms + 1) / 2};
}

void ask_redis(RedisFacts& facts) {
  auto redis = RedisConnection::connect(facts.target, "Redis", {kSilenceMaxS, kSilenceMaxS});
  if (!redis) {
    facts.trouble = redis.error().message();
    return;
  }
  const auto info = redis->call({"INFO"});
  if (!info) {
    facts.trouble = info.error().message();
    return;
  }
  facts.info = info->text();
  if (const auto save = redis->call({"CONFIG", "GET", "save"}); save && save->size() == 2)
    facts.save = save->at(1).text();
  const int64_t before_ms = base::wall_ms();
  if (const auto theirs_ms = redis_time_ms(*redis))
    facts.clock = clock_of(*theirs_ms, before_ms, base::wall_ms());
  ask_rights(*redis, facts);
  if (const auto shelves = shelf_count(*redis)) facts.shelves = *shelves;
  if (const auto peers = read_peers(*redis, facts.shelves)) facts.peers = *peers;
  if (const auto& lost = redis->lost()) facts.unknown = lost->message();
}

}  // namespace sluice::ctl::doctor
