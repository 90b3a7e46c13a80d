// Puts into MySQL what the journal proves and MySQL lacks. Deletes nothing, and overwrites nothing
// that the journal does not know.
//
// May run beside flushers: they never come back to what lies below their checkpoints, changes of
// counters commute with theirs, and items.sold is counted while its row is locked.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "base/error.h"
#include "ctl/journal_totals.h"
#include "ctl/mysql_items.h"
#include "ctl/order_audit.h"
#include "orders/order_table.h"
#include "sql/connection.h"

namespace sluice::ctl {

class Repair {
 public:
  Repair(const sql::ConnectOptions& mysql, const orders::OrderTable& table);

  // kExists: another repair of this database is under way.
  Status connect();

  // A portion of an item's orders, then its items.sold. An order that MySQL refuses stays missing
  // and is told in refused().
  Status orders(const std::string& item, const std::vector<OrderRepair>& repairs);
  // The item's row: made if it is missing, its stock as drained.
  Status item_row(const std::string& item, const JournalItem& journal, const MysqlItem& mysql);
  // items.sold becomes the sum of the live orders.
  Status item_sold(const std::string& item);

  uint64_t repaired() const { return repaired_; }  // orders
  // Of these, inserted from a snapshot: without the FIELDS that they may have had.
  uint64_t without_fields() const { return without_fields_; }
  const std::vector<std::string>& refused() const { return refused_; }

 private:
  using Statements = std::function<std::optional<sql::Failure>()>;

  // Runs `statements` and COMMIT in one transaction, again after a deadlock.
  Status transact(const Statements& statements);
  std::optional<sql::Failure> insert(const std::string& item,
                                     const std::vector<OrderRepair>& repairs);
  std::optional<sql::Failure> insert_one(const OrderRepair& repair);
  std::optional<sql::Failure> take_early_change(const std::string& item, const OrderRepair& repair);
  std::string change_of_row(const std::string& item, const OrderRepair& repair,
                            orders::OrderStatus status, const std::string& time) const;
  std::optional<sql::Failure> change(const std::string& item,
                                     const std::vector<OrderRepair>& repairs);
  std::optional<sql::Failure> recount_sold(const std::string& item);

  const sql::ConnectOptions options_;
  const orders::OrderTable& table_;
  std::string view_;  // of the orders, for FROM
  sql::Connection connection_;
  uint64_t repaired_ = 0;
  uint64_t without_fields_ = 0;
  std::vector<std::string> refused_;
};

}  // namespace sluice::ctl
