#include "ctl/redis_peers.h"

#include <algorithm>
#include <string_view>
#include <vector>

#include "base/decimal.h"
#include "shelves/shelf_of.h"

namespace sluice::ctl {
namespace {

template <class Each>
void each_lane(std::string_view list, const Each& each) {
  while (!list.empty()) {
    const size_t end = std::min(list.find(','), list.size());
    Lane lane = 0;
    if (base::parse_decimal(list.substr(0, end), lane)) each(lane);
    list.remove_prefix(std::min(end + 1, list.size()));
  }
}

std::string_view take_word(std::string_view& text) {
  const size_t end = std::min(text.find(' '), text.size());
  const std::string_view word = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));
  return word;
}

// "journal incarnation host time number"
void read_member(Peer& peer, uint32_t shelf, std::string_view member) {
  peer.is_member = true;
  peer.members[shelf] = member;
  const std::string_view journal = take_word(member);
  take_word(member);  // the incarnation
  const std::string_view host = take_word(member);
  int64_t beat_ms = 0;
  base::parse_decimal(take_word(member), beat_ms);
  if (!peer.journal.empty() && beat_ms < peer.beat_ms) return;
  peer.journal = journal;
  peer.host = host;
  peer.beat_ms = beat_ms;
}

// Of every shelf, those that it knows; and who is waited for there.
Result<std::vector<LaneSet>> read_lanes(RedisConnection& redis, uint32_t shelves, Peers& peers) {
  for (uint32_t shelf = 0; shelf < shelves; ++shelf)
    redis.send({"HMGET", shelves::shelf_key(shelf), "@lanes", "@wait"});
  std::vector<LaneSet> lanes(shelves);
  for (LaneSet& of_shelf : lanes) {
    const auto reply = redis.read();
    if (!reply) return reply.error();
    each_lane(reply->at(0).text(), [&](Lane lane) { of_shelf.insert(lane); });
    each_lane(reply->at(1).text(), [&](Lane lane) { ++peers[lane].waited_for_on; });
  }
  return lanes;
}

}  // namespace

Result<Peers> read_peers(RedisConnection& redis, uint32_t shelves) {
  Peers peers;
  const auto lanes = read_lanes(redis, shelves, peers);
  if (!lanes) return lanes.error();
  for (uint32_t shelf = 0; shelf < shelves; ++shelf) {
    for (const Lane lane : (*lanes)[shelf]) {
      const std::string id = std::to_string(lane);
      redis.send(
          {"HMGET", shelves::shelf_key(shelf), "@member:" + id, "@knows:" + id, "@forget:" + id});
    }
  }
  for (uint32_t shelf = 0; shelf < shelves; ++shelf) {
    for (const Lane lane : (*lanes)[shelf]) {
      const auto reply = redis.read();
      if (!reply) return reply.error();
      Peer& peer = peers[lane];
      if (!reply->at(0).is_nil()) read_member(peer, shelf, reply->at(0).text());
      if (!reply->at(1).is_nil()) ++peer.knows_on;
      each_lane(reply->at(1).text(), [&](Lane other) { ++peer.known_on[other]; });
      peer.is_given_up |= !reply->at(2).is_nil();
    }
  }
  return peers;
}

Result<int64_t> redis_time_ms(RedisConnection& redis) {
  const auto time = redis.call({"TIME"});
  if (!time) return time.error();
  int64_t seconds = 0, us = 0;
  if (time->size() == 2) {
    base::parse_decimal(time->at(0).text(), seconds);
    base::parse_decimal(time->at(1).text(), us);
  }
  return seconds * 1000 + us / 1000;
}

}  // namespace sluice::ctl
