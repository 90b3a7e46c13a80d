// What a session must be for Sluice's statements to mean what they say, whatever the server's
// settings, its init_connect, or a proxy in between have made of it: set, and then read back.
#pragma once

#include <optional>
#include <string>

#include "sql/failure.h"

namespace sluice::sql {

class Connection;

struct SessionOptions {
  bool is_mariadb = false;
  unsigned long version = 0;  // as mysql_get_server_version() tells it
  unsigned lock_wait_s = 5;   // for row and metadata locks
};

// A few round trips. Fails with kOther if something is not as it was set: the message
// names the variable, what it should be and what it is.
std::optional<Failure> set_up_session(Connection& connection, const SessionOptions& options);

// On a node of a Galera cluster: what another node has committed is seen by every statement that
// begins after that. On one that has lost its cluster every statement then waits in vain.
std::optional<Failure> wait_for_the_cluster(Connection& connection);

}  // namespace sluice::sql
