// Asks pace.replicas once a second how far they are behind, on a thread of its own: a replica that
// does not answer must not hold up the drain.
//
// What cannot be asked (it is down, the user may not) does not count as behind: nobody reads from
// it then, or nobody may look. The log and the status say so. The user needs REPLICATION CLIENT on
// MySQL, REPLICA MONITOR on MariaDB.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <thread>
#include <vector>

#include "flusher/server_load.h"
#include "sql/connection.h"

namespace sluice::flusher {

class ReplicaWatch {
 public:
  // As who to log in, and how; where is each replica's own.
  explicit ReplicaWatch(sql::ConnectOptions mysql);
  ~ReplicaWatch();

  // Any thread. The thread runs from the first time that there are some.
  void set_replicas(const std::vector<ReplicaAddress>& replicas);
  // In the order of the configuration; of those that were asked already.
  std::vector<ReplicaState> read() const;

 private:
  struct Replica {
    ReplicaAddress address;
    sql::Connection connection;
    ReplicaState state;
  };
  void run();
  void ask(Replica& replica) const;

  const sql::ConnectOptions mysql_;

  mutable std::mutex mutex_;  // guards all below
  std::condition_variable wake_;
  bool stop_ = false;
  std::vector<ReplicaAddress> wanted_;
  std::vector<ReplicaState> states_;
  sql::Connection* asking_ = nullptr;  // for the destructor to cut
  std::thread thread_;
};

}  // namespace sluice::flusher
