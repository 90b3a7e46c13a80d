#include "flusher/replica_watch.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <utility>

#include "base/units.h"

namespace sluice::flusher {
namespace {

constexpr auto kEvery = std::chrono::seconds(1);
constexpr auto kCutEvery = std::chrono::milliseconds(100);
constexpr unsigned kAnswerWithinS = 5;
constexpr unsigned kSyntaxError = 1064;
constexpr int64_t kSecondUs = 1'000'000;

sql::ConnectOptions replica_login(sql::ConnectOptions mysql) {
  mysql.unix_socket.clear();
  // A replica may filter what it is sent; how far it is does not hang on the database.
  mysql.database.clear();
  mysql.timeout_s = std::min(mysql.timeout_s, kAnswerWithinS);
  return mysql;
}

// Of several channels the last one counts. In the words of MariaDB (all its connections), of MySQL
// from 8.0.22 on, and of those before.
void read_lag(sql::Connection& connection, ReplicaState& state) {
  std::vector<sql::Row> rows;
  std::vector<std::string> names;
  std::optional<sql::Failure> failure;
  for (const char* statement :
       {"SHOW ALL REPLICAS STATUS", "SHOW REPLICA STATUS", "SHOW SLAVE STATUS"}) {
    failure = connection.query(statement, rows, &names);
    if (!failure || failure->code != kSyntaxError) break;
  }
  state.error = failure ? failure->text() : "";
  state.lag_us.reset();
  if (failure) return;
  const auto name = std::find_if(names.begin(), names.end(), [](const std::string& column) {
    return column == "Seconds_Behind_Source" || column == "Seconds_Behind_Master";
  });
  if (rows.empty() || name == names.end()) {
    state.error = "it is no replica";
    return;
  }
  int64_t lag_s = 0;
  for (const sql::Row& row : rows) {
    const auto& behind = row[static_cast<size_t>(name - names.begin())];
    if (!behind) return;  // one of its threads has stopped, or cannot connect
    const auto seconds = base::parse_integer(*behind);
    lag_s = std::max(lag_s, seconds ? *seconds : 0);
  }
  state.lag_us = lag_s * kSecondUs;
}

}  // namespace

ReplicaWatch::ReplicaWatch(sql::ConnectOptions mysql) : mysql_(replica_login(std::move(mysql))) {}

ReplicaWatch::~ReplicaWatch() {
  std::unique_lock lock(mutex_);
  stop_ = true;
  wake_.notify_all();
  if (!thread_.joinable()) return;
  while (!wake_.wait_for(lock, kCutEvery, [this] { return asking_ == nullptr; })) asking_->abort();
  lock.unlock();
  thread_.join();
}

void ReplicaWatch::set_replicas(const std::vector<ReplicaAddress>& replicas) {
  const std::lock_guard lock(mutex_);
  if (replicas == wanted_) return;
  wanted_ = replicas;
  states_.clear();
  if (!thread_.joinable()) thread_ = std::thread([this] { run(); });
  wake_.notify_all();
}

std::vector<ReplicaState> ReplicaWatch::read() const {
  const std::lock_guard lock(mutex_);
  return states_;
}

void ReplicaWatch::run() {
  std::vector<ReplicaAddress> known;
  std::vector<std::unique_ptr<Replica>> asked;
  std::unique_lock lock(mutex_);
  while (!stop_) {
    if (wanted_ != known) {
      known = wanted_;
      asked.clear();
      for (const ReplicaAddress& address : known) {
        asked.push_back(std::make_unique<Replica>());
        asked.back()->address = address;
        asked.back()->state.name = address.name;
      }
    }
    std::vector<ReplicaState> states;
    for (const auto& replica : asked) {
      if (stop_ || wanted_ != known) break;
      asking_ = &replica->connection;
      lock.unlock();
      ask(*replica);
      lock.lock();
      asking_ = nullptr;
      wake_.notify_all();
      states.push_back(replica->state);
    }
    if (wanted_ != known) continue;
    states_ = std::move(states);
    wake_.wait_for(lock, kEvery, [&] { return stop_ || wanted_ != known; });
  }
}

void ReplicaWatch::ask(Replica& replica) const {
  const std::string error_before = replica.state.error;
  sql::ConnectOptions options = mysql_;
  options.host = replica.address.host;
  options.port = replica.address.port;
  std::optional<sql::Failure> failure;
  if (!replica.connection.connected()) failure = replica.connection.connect(options);
  if (failure) {
    replica.state.error = failure->text();
  } else {
    read_lag(replica.connection, replica.state);
  }
  const std::string& error = replica.state.error;
  if (error == error_before) return;
  if (error.empty()) {
    spdlog::info("replica {}: it is watched again", replica.state.name);
  } else {
    spdlog::warn("replica {} (pace.replicas) does not count: {}", replica.state.name, error);
  }
}

}  // namespace sluice::flusher
