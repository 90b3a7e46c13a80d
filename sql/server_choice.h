// Which of the servers of mysql.hosts a program is at: one at a time for all of its connections.
//
// Without it, after a failover some connections could go on at the old server, or one that was cut
// off for a moment could find another server that takes writes, and the orders of one journal would
// be spread over two databases. So the server that the last connection was made to is everybody's:
// it is the first that the next one tries, and whoever is connected elsewhere gives that up
// (Connection::is_elsewhere()) before it begins its next transaction.
//
// One a program, made by main. Any thread.
#pragma once

#include <atomic>
#include <cstddef>

namespace sluice::sql {

class ServerChoice {
 public:
  // Its place in ConnectOptions::servers().
  size_t current() const { return current_.load(); }
  void choose(size_t server) { current_.store(server); }
  // Of `count`: the next one is tried first, unless another was chosen meanwhile.
  void pass_over(size_t server, size_t count) {
    current_.compare_exchange_strong(server, (server + 1) % count);
  }

 private:
  std::atomic<size_t> current_{0};
};

}  // namespace sluice::sql
