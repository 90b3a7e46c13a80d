// What MySQL holds of each item, all of it as of one moment: one REPEATABLE READ transaction.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "ctl/journal_totals.h"
#include "ctl/tally.h"
#include "orders/order_table.h"
#include "sql/connection.h"

namespace sluice::ctl {

struct MysqlItem {
  bool has_row = false;  // in items
  int64_t stock = 0;
  int64_t sold = 0;
  int64_t limit = 0;  // 0: none, like the next three
  int64_t start_ms = 0;
  int64_t end_ms = 0;
  int64_t hold_ms = 0;
  int64_t settings_ms = 0;  // when these were decided; 0: it is not known
  bool is_closed = false;
  int64_t state_ms = 0;  // when that was decided; 0: it is not known
  Sales orders;  // of the orders table
  Sales dead;    // of the dead letters
};
// The statement that makes the row, without what is sold; if it is there it gets the stock on top.
std::string insert_of(const std::string& item, const MysqlItem& row);
using MysqlItemMap = std::map<std::string, MysqlItem, std::less<>>;

struct MysqlOrder {
  uint64_t order_id = 0;
  std::string item;
  std::string user;
  int64_t quantity = 0;
  orders::OrderStatus status = orders::OrderStatus::kPlaced;
  std::string request;
  int64_t created_ms = 0;
  int64_t updated_ms = 0;  // when its status was set
};

// When an item's orders were placed, and by how many.
struct OrderTimes {
  uint64_t buyers = 0;
  int64_t first_ms = 0, last_ms = 0;
  std::vector<std::pair<int64_t, uint64_t>> by_second;  // seconds since 1970 → orders, rising
};

// The orders of an item in parts of about the same size: order_id MOD kBuckets.
inline constexpr uint32_t kBuckets = 1021;  // a prime: ids count up in their low bits
using Buckets = std::set<uint32_t>;

class MysqlItems {
 public:
  MysqlItems(const sql::ConnectOptions& mysql, const orders::OrderTable& table);

  // Begins the transaction (and ends the one before); everything below reads what it sees.
  Status begin();
  void end() { connection_.rollback(); }

  Result<Checkpoints> checkpoints();
  Result<MysqlItemMap> items(const ItemFilter& filter);
  // Of which one of the lanes has sold, as far as ids tell.
  Result<std::set<std::string>> items_sold_by(const std::set<uint32_t>& lanes);
  // Orders and dead letters of one item together, by bucket.
  Result<std::map<uint32_t, Sales>> buckets(const std::string& item);
  // Empty `buckets`: all of the items' orders.
  Result<std::vector<MysqlOrder>> orders(std::span<const std::string> items,
                                         const Buckets& buckets);
  Result<std::vector<MysqlOrder>> dead_letters(std::span<const std::string> items,
                                               const Buckets& buckets);
  // By created_at; where the shop's table has none, by the time in their ids.
  Result<OrderTimes> order_times(const std::string& item);
  // When a flusher committed last, of whatever item, by MySQL's clock; 0: never.
  Result<int64_t> last_drain_ms();
  // The highest of a lane's, of orders and dead letters; 0: none.
  Result<uint64_t> highest_order_id(uint32_t lane);
  // Those of which it is kept what became of them, until they come.
  Result<std::vector<MysqlOrder>> early_changes(std::span<const std::string> items,
                                                const Buckets& buckets);

 private:
  Status look_at_tables();
  Result<std::vector<sql::Row>> query(const std::string& statement);
  Result<std::vector<MysqlOrder>> read_orders(const std::string& statement);

  sql::ConnectOptions options_;
  const orders::OrderTable& table_;
  std::string view_;  // of the orders, for FROM, as begin() has found them
  sql::Connection connection_;
};

}  // namespace sluice::ctl
