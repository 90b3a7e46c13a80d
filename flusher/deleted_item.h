// Items that were deleted: their rows go, and what their live orders sum up to is kept in
// sluice_deleted_item, for an item that is made anew under the name. Its row begins with that, as
// sold and as so much more stock: so `sold` is the sum of the live orders of the name at any time.
#pragma once

#include <optional>

#include "flusher/change_set.h"
#include "sql/connection.h"

namespace sluice::flusher {

// In the open transaction: takes out the rows of the items that the batch deletes.
std::optional<sql::Failure> delete_items(sql::Connection& connection, const ChangeSet& changes);

// In the open transaction: adds to the items of the batch what is kept under their names.
std::optional<sql::Failure> take_deleted_items(sql::Connection& connection, ChangeSet& changes);

}  // namespace sluice::flusher
