// Asks the database how it does. Flush loop's thread only.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "flusher/replica_watch.h"
#include "flusher/server_load.h"
#include "sql/connection.h"

namespace sluice::flusher {

class LoadProbe {
 public:
  explicit LoadProbe(const sql::ConnectOptions& mysql) : replicas_(mysql) {}

  void set_replicas(const std::vector<ReplicaAddress>& replicas) {
    replicas_.set_replicas(replicas);
  }
  // Asks the server of `connection`, and what the replicas have told last.
  std::optional<sql::Failure> read(sql::Connection& connection, int64_t now_us, ServerLoad& load);

 private:
  ReplicaWatch replicas_;
  int64_t waited_ms_ = 0;  // Innodb_row_lock_time of the last look
  int64_t looked_us_ = 0;  // 0: none yet
};

}  // namespace sluice::flusher
