// Whether a server takes writes: a replica, an old primary after a switch, or a node of a cluster
// that has lost its quorum does not, although it lets everybody log in.
#pragma once

#include <optional>

#include "sql/failure.h"

namespace sluice::sql {

class Connection;

// nullopt: it does. Else kReadOnly with the reason, and the connection is closed. The account's
// privileges do not count: who may write to a read-only server all the same would part it from its
// primary. One or two round trips, in a transaction that has not written yet.
std::optional<Failure> check_takes_writes(Connection& connection);

}  // namespace sluice::sql
