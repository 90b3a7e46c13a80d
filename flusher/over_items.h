// Which items are over, so that nobody can buy them any more, through whatever proxy, and which are
// gone. Asked of MySQL, where all journals come together.
//
// Used by the janitor before it lets an item's history go. A connection of its own, made when there
// is something to ask and kept until it fails.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/error.h"
#include "journal/compactor.h"
#include "sql/connection.h"

namespace sluice::flusher {

class OverItems {
 public:
  explicit OverItems(const sql::ConnectOptions& mysql) : mysql_(mysql) {}

  // Those of `items` that were closed, or whose END had come, at `until_ms` at the latest, and
  // those without a row. MySQL may not have heard of a REOPEN yet that another proxy's flusher has
  // still to drain; that is what the retention leaves time for. kUnavailable: MySQL did not answer.
  Result<journal::Compactor::Found> find(const std::vector<std::string>& items, int64_t until_ms);

 private:
  const sql::ConnectOptions mysql_;
  sql::Connection connection_;
};

}  // namespace sluice::flusher
