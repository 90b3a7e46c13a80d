#include "proxy/sale/heartbeat.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <random>

#include "base/decimal.h"
#include "proxy/sale/coalescer.h"
#include "proxy/sale/gate.h"
#include "proxy/upstream/info.h"

namespace sluice::proxy::sale {
namespace {

using upstream::Reply;

constexpr std::string_view kWaitingItemsABeat = "200";

template <class Ids>
std::string joined_with_commas(const Ids& ids) {
  std::string text;
  for (const uint64_t id : ids) text += (text.empty() ? "" : ",") + std::to_string(id);
  return text;
}

}  // namespace

// sluice:proxies as read.
struct Heartbeat::Table {
  std::string nonce;
  std::map<uint64_t, std::string> members;
  std::set<uint64_t> nonsense;  // fields of members whose value is no journal's id
  std::set<std::pair<uint64_t, uint64_t>> knows;  // N, M of N>M
  std::set<uint64_t> forgotten;
  std::map<uint64_t, std::string> passed;
  uint64_t own_beat = 0;

  Table(const Reply& fields, uint64_t own) {
    for (size_t i = 0; i + 1 < fields.size(); i += 2) {
      take(fields.at(i).text(), fields.at(i + 1).text(), own);
    }
  }

  void take(std::string_view name, std::string_view value, uint64_t own) {
    uint64_t id = 0, other = 0;
    if (name == "nonce") {
      nonce = value;
    } else if (name.starts_with("forget:")) {
      if (base::parse_decimal(name.substr(7), id)) forgotten.insert(id);
    } else if (base::parse_decimal(name, id)) {
      if (Lanes::is_journal_id(value)) members.emplace(id, value);
      else nonsense.insert(id);
    } else if (const size_t arrow = name.find('>'); arrow != std::string_view::npos) {
      if (base::parse_decimal(name.substr(0, arrow), id) &&
          base::parse_decimal(name.substr(arrow + 1), other)) {
        knows.emplace(id, other);
      }
    } else if (const size_t colon = name.find(':'); colon != std::string_view::npos) {
      if (!base::parse_decimal(name.substr(0, colon), id)) return;
      if (name.substr(colon) == ":passed") passed.emplace(id, value);
      if (name.substr(colon) == ":beat" && id == own) base::parse_decimal(value, own_beat);
    }
  }
};

Heartbeat::Heartbeat(upstream::IoThread& thread, upstream::Inbox& inbox,
                     upstream::RedisClient& redis, Shared& shared, size_t threads,
                     Everywhere everywhere)
    : thread_(thread),
      inbox_(inbox),
      redis_(redis),
      shared_(shared),
      threads_(threads),
      everywhere_(std::move(everywhere)),
      own_(std::stoull(shared.lane)),
      timer_(thread.context()) {}

Heartbeat::~Heartbeat() {
  if (writer_.joinable()) writer_.join();
}

void Heartbeat::connected(const std::string& identity, const std::string& nonce) {
  // Another process counts anew.
  if (identity != std::exchange(last_identity_, identity)) beat_ = beat_confirmed_ = 0;
  identity_ = identity;
  nonce_ = nonce;
  joined_ = false;
  // An operator who gave this proxy up was wrong: it joins like a new one.
  redis_.call({"HDEL", kProxiesKey, "forget:" + shared_.lane}, [](const auto&) {});
  redis_.call({"HSETNX", kProxiesKey, shared_.lane, shared_.journal_id},
              [this](const Result<Reply>& reply) {
                if (!reply || !reply->is_error()) return;
                redis_.reconnect(Error(ErrorClass::kUnavailable, std::string(reply->text())));
              });
  beat();
  schedule();
}

void Heartbeat::lost() {
  identity_.clear();
  timer_.cancel();
}

void Heartbeat::stop() {
  stopped_ = true;
  lost();
}

void Heartbeat::wake() {
  shared_.selling.store(true, std::memory_order_relaxed);
  everywhere_([](Coalescer& coalescer) { coalescer.gate().wake(); });
}

void Heartbeat::passed(size_t thread, const std::string& identity) {
  inbox_.push([this, thread, identity] {
    passes_[thread] = identity;
    if (!identity_.empty() && redis_.connected()) beat();
  });
}

void Heartbeat::schedule() {
  timer_.expires_after(
      std::chrono::microseconds(joined_ ? shared_.limits.beat_us : shared_.limits.join_poll_us));
  timer_.async_wait([this](boost::system::error_code failure) {
    if (failure || stopped_ || identity_.empty()) return;
    beat();
    schedule();
  });
}

void Heartbeat::beat() {
  if (saving_ || stopped_ || !redis_.connected()) return;
  check_process();
  redis_.call({"HGETALL", kProxiesKey}, [this](const Result<Reply>& reply) {
    if (!reply || identity_.empty() || saving_ || stopped_) return;
    if (!reply->is_error()) return looked(Table(*reply, own_));
    if (std::exchange(complaint_, reply->text()) != reply->text()) {
      spdlog::error("Redis refused HGETALL {}: {}", kProxiesKey, reply->text());
    }
  });
}

// Redis takes a new replication id, and keeps its connections, when its first replica comes, when
// its last one has been gone for long, and when it ceases to be a replica itself. Only in the last
// case was its data another's, but all proxies must agree about the identity.
void Heartbeat::check_process() {
  redis_.call({"INFO", "replication"}, [this](const Result<Reply>& reply) {
    if (!reply || reply->is_error() || identity_.empty() || stopped_) return;
    const std::string id = upstream::info_value(reply->text(), "master_replid");
    if (id.empty() || identity_.find(":" + id + ":") != std::string::npos) return;
    start_over("its replication id is a new one");
  });
}

void Heartbeat::looked(const Table& table) {
  complain_of_nonsense(table);
  if (table.nonsense.contains(own_)) return;  // written anew; the next look finds it
  if (is_rewound(table) || is_impostor(table)) return;
  shared_.lanes->set_forgotten(table.forgotten);
  if (update_peers(table)) return;
  publish(table);
  judge(table);
  pulse();
  look_for_waiting_items();
}

// Somebody has written into the table by hand. Each proxy puts its own field right.
void Heartbeat::complain_of_nonsense(const Table& table) {
  if (table.nonsense.empty()) return;
  if (table.nonsense.contains(own_)) {
    redis_.call({"HSET", kProxiesKey, shared_.lane, shared_.journal_id}, [](const auto&) {});
  }
  const std::string complaint = std::string(kProxiesKey) + " names no journal for " +
                                proxies_text(joined_with_commas(table.nonsense)) +
                                ": what stands there is no journal's id, and is ignored";
  if (std::exchange(nonsense_complaint_, complaint) != complaint) spdlog::error("{}", complaint);
}

bool Heartbeat::is_rewound(const Table& table) {
  if (table.nonce != nonce_) {
    start_over("it was flushed, or another proxy saw it go back in time");
    return true;
  }
  if (table.own_beat < beat_confirmed_) {
    // The same process with older data: only a new nonce tells everybody.
    beat_confirmed_ = 0;
    redis_.call({"HSET", kProxiesKey, "nonce", new_nonce()}, [](const auto&) {});
    start_over("it went back in time");
    return true;
  }
  if (!table.members.contains(own_)) {
    start_over("this proxy was given up with sluice-ctl peers forget; it joins again");
    return true;
  }
  beat_ = std::max(beat_, table.own_beat);
  return false;
}

// Everything that is known of Redis may be wrong: every thread passes the gate again.
void Heartbeat::start_over(const std::string& why) {
  spdlog::warn("Redis at {}: {}; all items pass the gate again", redis_.endpoint().text(), why);
  const std::string identity = identity_;
  identity_.clear();
  everywhere_([identity, why](Coalescer& coalescer) {
    if (coalescer.gate().identity() == identity && coalescer.redis().connected()) {
      coalescer.redis().reconnect(Error(ErrorClass::kUnavailable, why));
    }
  });
}

bool Heartbeat::is_impostor(const Table& table) {
  const std::string& journal = table.members.at(own_);
  if (journal == shared_.journal_id) return false;
  shared_.fatal(Error(
      ErrorClass::kRefused,
      "Redis at " + redis_.endpoint().text() + " knows proxy.id " + shared_.lane +
          " with another journal (" + journal + ", this one is " + shared_.journal_id +
          "); start with the journal.dir that holds it, or take a proxy.id that was never used "
          "with this Redis, or, if that journal is gone for good: sluice-ctl peers forget " +
          shared_.lane));
  return true;
}

// True if the peers file is to be written first; the next look is taken when it is.
bool Heartbeat::update_peers(const Table& table) {
  const Lanes::Peers before = shared_.lanes->peers();
  Lanes::Peers peers = before;
  for (const uint64_t id : table.forgotten) {
    if (peers.erase(id) == 0) continue;
    spdlog::warn("proxy {} was given up with sluice-ctl peers forget: nothing waits for it", id);
    redis_.call({"HDEL", kProxiesKey, shared_.lane + ">" + std::to_string(id)}, [](const auto&) {});
  }
  for (const auto& [id, journal] : table.members) {
    if (id == own_ || table.forgotten.contains(id)) continue;
    const auto [known, is_new] = peers.emplace(id, journal);
    if (is_new) spdlog::info("proxy {} (journal {}) sells through this Redis too", id, journal);
    if (known->second == journal) continue;
    const std::string complaint = "proxy " + std::to_string(id) + " has journal " + journal +
                                  " now, and may have sold with journal " + known->second +
                                  " before; if that is gone for good: sluice-ctl peers forget " +
                                  std::to_string(id);
    if (std::exchange(complaint_, complaint) != complaint) spdlog::error("{}", complaint);
  }
  if (peers == before) return false;
  save(std::move(peers));
  return true;
}

// Not on the I/O thread: it syncs the disk.
void Heartbeat::save(Lanes::Peers peers) {
  saving_ = true;
  if (writer_.joinable()) writer_.join();
  writer_ = std::thread([this, peers = std::move(peers)] {
    const Status saved = shared_.lanes->save(peers);
    inbox_.push([this, saved] {
      saving_ = false;
      if (!saved) return shared_.fatal(saved.error().at("peers"));
      if (!identity_.empty()) beat();
    });
  });
}

// What the file has is told, also of those that Redis has forgotten.
void Heartbeat::publish(const Table& table) {
  for (const auto& [id, journal] : shared_.lanes->peers()) {
    const auto member = table.members.find(id);
    const bool same = member == table.members.end() || member->second == journal;
    if (!same || table.knows.contains({own_, id})) continue;
    redis_.call({"HSET", kProxiesKey, shared_.lane + ">" + std::to_string(id), "1"},
                [](const auto&) {});
  }
}

void Heartbeat::judge(const Table& table) {
  std::vector<uint64_t> deaf, behind;
  for (const auto& [id, journal] : table.members) {
    if (id != own_ && !table.knows.contains({id, own_})) deaf.push_back(id);
  }
  for (const auto& [id, journal] : shared_.lanes->peers()) {
    const auto passed = table.passed.find(id);
    if (passed == table.passed.end() || passed->second != identity_) behind.push_back(id);
  }
  Lanes::Standing standing;
  standing.identity = identity_;
  // Who has joined stays so: a proxy that joins now is asked for nothing here.
  standing.joined = joined_ || deaf.empty();
  if (!standing.joined) {
    const std::string ids = joined_with_commas(deaf);
    standing.waits_for =
        "waiting for " + proxies_text(ids) + " to learn of this one (" + forget_hint(ids) + ")";
  }
  standing.not_passed = joined_with_commas(behind);
  joined_ = standing.joined;
  const Lanes::Standing before = shared_.lanes->standing();
  const bool changed = before.identity != standing.identity || before.joined != standing.joined ||
                       before.waits_for != standing.waits_for ||
                       before.not_passed != standing.not_passed;
  if (changed && !standing.joined) spdlog::info("purchases are refused: {}", standing.waits_for);
  shared_.lanes->set_standing(std::move(standing));
  everywhere_([changed](Coalescer& coalescer) { coalescer.gate().beat(changed); });
}

void Heartbeat::pulse() {
  const bool all_passed = passes_.size() == threads_ &&
                          std::all_of(passes_.begin(), passes_.end(),
                                      [this](auto& pass) { return pass.second == identity_; });
  const std::string number = std::to_string(++beat_);
  const auto confirmed = [this, beat = beat_](const Result<Reply>& reply) {
    if (!reply) return;
    if (!reply->is_error()) {
      beat_confirmed_ = std::max(beat_confirmed_, beat);
    } else if (reply->text().starts_with("READONLY")) {
      start_over("it has become a read-only replica");
    }
  };
  if (all_passed) {
    redis_.call(
        {"HSET", kProxiesKey, shared_.lane + ":beat", number, shared_.lane + ":passed", identity_},
        confirmed);
  } else {
    redis_.call({"HSET", kProxiesKey, shared_.lane + ":beat", number}, confirmed);
  }
}

// Items that other proxies hold back because this one has not passed: also those that it would
// never ask for by itself. A random sample a beat; all get their turn.
void Heartbeat::look_for_waiting_items() {
  if (!joined_) return;
  redis_.call({"SRANDMEMBER", kWaitingKey, kWaitingItemsABeat}, [this](const Result<Reply>& reply) {
    if (!reply || reply->size() == 0) return;
    auto names = std::make_shared<std::vector<std::string>>();
    for (size_t i = 0; i < reply->size(); ++i) names->emplace_back(reply->at(i).text());
    everywhere_([names](Coalescer& coalescer) { coalescer.gate().look_at(*names); });
  });
}

std::string new_nonce() {
  std::random_device device;
  return std::to_string(uint64_t{device()} << 32 | device());
}

}  // namespace sluice::proxy::sale
