// The items table: counters and definitions, brought up to date last in a transaction.
//
// Every writer's transaction adds its own share to the rows of the items it sold; that one hot row
// is locked from here to COMMIT only. Rows are touched in the order of item_id, so two writers
// never hold what the other waits for.
#pragma once

#include <cstddef>
#include <optional>

#include "flusher/change_set.h"
#include "sql/connection.h"

namespace sluice::flusher {

// In the open transaction. An item that another writer has not created yet gets its row here, and
// its definition when its kCreate comes. No statement is longer than `statement_bytes`.
std::optional<sql::Failure> update_items(sql::Connection& connection, const ChangeSet& changes,
                                         size_t statement_bytes);

}  // namespace sluice::flusher
