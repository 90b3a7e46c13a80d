#include "ctl/redis_lanes.h"

#include <algorithm>
#include <cstdlib>
#include <optional>

#include "base/decimal.h"
#include "ctl/redis_items.h"
#include "ctl/redis_peers.h"
#include "shelves/shelf_of.h"

namespace sluice::ctl {
namespace {

constexpr int64_t kLivingMs = 2000;  // a member beats twice a second (scripts/gate.lua)

// ",1,2," with one more.
std::string with_lane(std::string_view list, const std::string& lane) {
  std::string all = list.empty() ? "," : std::string(list);
  if (all.find("," + lane + ",") == std::string::npos) all += lane + ",";
  return all;
}

}  // namespace

Status RedisLanes::check_dead(const std::set<uint32_t>& lanes) {
  const auto shelves = shelf_count(redis_);
  if (!shelves) return shelves.error();
  if (*shelves == 0) return {};
  const auto now_ms = redis_time_ms(redis_);
  if (!now_ms) return now_ms.error();
  for (const uint32_t lane : lanes) {
    const std::string field = "@member:" + std::to_string(lane);
    for (uint32_t shelf = 0; shelf < *shelves; ++shelf)
      redis_.send({"HGET", shelves::shelf_key(shelf), field});
    std::optional<Error> found;
    for (uint32_t shelf = 0; shelf < *shelves; ++shelf) {
      const auto member = redis_.read();
      if (!member) {
        found = member.error();
        continue;
      }
      // "journal incarnation host time number"
      std::string_view rest = member->text();
      for (int i = 0; i < 3; ++i) rest.remove_prefix(std::min(rest.find(' '), rest.size() - 1) + 1);
      int64_t beat_ms = 0;
      base::parse_decimal(rest.substr(0, rest.find(' ')), beat_ms);
      if (std::abs(*now_ms - beat_ms) < kLivingMs) {  // as in scripts/gate.lua
        found = Error(ErrorClass::kRefused, "proxy " + std::to_string(lane) +
                                                " runs, or has stopped a moment ago (it beat on "
                                                "shelf " +
                                                std::to_string(shelf) +
                                                "); stop it, and wait two seconds");
      }
    }
    if (found) return *found;
  }
  return {};
}

Status RedisLanes::take_over(const std::set<uint32_t>& lanes, uint32_t heir) {
  const auto shelves = shelf_count(redis_);
  if (!shelves) return shelves.error();
  const std::string heir_text = std::to_string(heir);
  for (uint32_t shelf = 0; shelf < *shelves; ++shelf) {
    const std::string key = shelves::shelf_key(shelf);
    std::string known, wait;
    {
      const auto fields = redis_.call({"HMGET", key, "@lanes", "@wait", "@shelves"});
      if (!fields) return fields.error();
      if (fields->at(2).is_nil()) continue;  // nothing was ever on it
      known = with_lane(fields->at(0).text(), heir_text);
      wait = with_lane(fields->at(1).text(), heir_text);
    }
    size_t sent = 0;
    const auto send = [&](std::initializer_list<std::string_view> words) {
      redis_.send(words);
      ++sent;
    };
    send({"MULTI"});
    for (const uint32_t lane : lanes) {
      const std::string id = std::to_string(lane);
      send({"HDEL", key, "@lane:" + id, "@member:" + id, "@knows:" + id, "@base:" + id,
            "@brings:" + id});
      send({"DEL", shelves::receipts_key(shelf, id)});
      if (lane != heir) send({"HSET", key, "@forget:" + id, "1"});
    }
    send({"HDEL", key, "@forget:" + heir_text});
    send({"HSET", key, "@lanes", known, "@wait", wait, "@rebuild", "1"});
    send({"EXEC"});
    std::optional<Error> refused;  // every reply is to be read
    for (; sent > 0; --sent) {
      if (const auto reply = redis_.read(); !reply) refused = reply.error();
    }
    if (refused) return *refused;
  }
  return {};
}

Result<std::set<uint32_t>> RedisLanes::known() {
  const auto shelves = shelf_count(redis_);
  if (!shelves) return shelves.error();
  std::set<uint32_t> found;
  for (uint32_t shelf = 0; shelf < *shelves; ++shelf) {
    const std::string key = shelves::shelf_key(shelf);
    std::string lanes;  // ",1,2,"
    {
      const auto reply = redis_.call({"HGET", key, "@lanes"});
      if (!reply) return reply.error();
      lanes = reply->text();
    }
    std::string_view rest = lanes;
    while (!rest.empty()) {
      const std::string_view lane = rest.substr(0, rest.find(','));
      rest.remove_prefix(std::min(lane.size() + 1, rest.size()));
      uint32_t number = 0;
      if (!base::parse_decimal(lane, number) || found.contains(number)) continue;
      const auto given_up = redis_.call({"HEXISTS", key, "@forget:" + std::string(lane)});
      if (!given_up) return given_up.error();
      if (given_up->integer() == 0) found.insert(number);
    }
  }
  return found;
}

Result<uint32_t> RedisLanes::shelves_held_by(uint32_t lane) {
  const auto shelves = shelf_count(redis_);
  if (!shelves) return shelves.error();
  uint32_t held = 0;
  for (uint32_t shelf = 0; shelf < *shelves; ++shelf) {
    const auto fields = redis_.call({"HGETALL", shelves::shelf_key(shelf)});
    if (!fields) return fields.error();
    const std::string own = shelves::lane_field(std::to_string(lane));
    bool has_items = false;
    uint64_t sequence = 0;
    for (size_t i = 0; i + 1 < fields->size(); i += 2) {
      const std::string_view field = fields->at(i).text(), value = fields->at(i + 1).text();
      if (!field.starts_with(shelves::kOwnField)) has_items = true;
      if (field == own) base::parse_decimal(value.substr(0, value.find(' ')), sequence);
    }
    held += has_items && sequence > 0 ? 1 : 0;
  }
  return held;
}

}  // namespace sluice::ctl
