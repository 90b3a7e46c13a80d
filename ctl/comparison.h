// Compares Redis, the journals and MySQL, item by item.
//
// What must be equal, and at which moment:
//   MySQL  the records below its checkpoints: rows and dead letters together are the journal's
//          orders, items.stock is what the journal gave, items.sold the sum of its live rows
//   Redis  the journal up to the batch that Redis has applied last of each lane: settings, state,
//          stock, sold and the buyers; it is never behind the journal
// Batches on their way are therefore no difference: those that Redis has and the journal not yet
// are waited for, those that the journal has and MySQL not yet are waiting to be drained.
//
// Lanes count their batches by shelf: which items a batch speaks of is only in its records, or its
// receipt.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "ctl/journal_totals.h"
#include "ctl/mysql_items.h"
#include "ctl/order_audit.h"
#include "ctl/redis_items.h"
#include "ctl/sources.h"

namespace sluice::ctl {

enum class Side { kRedis, kMysql };

struct Difference {
  Side side;              // that is wrong; the journal is believed
  std::string kind;       // for machines: "missing_item", "behind", "sold", …
  std::string text;       // for people
  bool fixable = false;   // the journal proves what is right
  OrderList orders = {};  // which ones, if it speaks of orders
};

struct ItemComparison {
  std::string name;
  bool in_journal = false;
  JournalItem journal;
  RedisItem redis;
  MysqlItem mysql;
  // Batches that speak of it, which Redis has and the journal does not have yet.
  uint64_t unjournaled = 0;
  std::vector<std::string> notes;
  std::vector<Difference> differences;
  std::vector<std::string> uncompared;  // what of it could not be compared, and why

  bool differs(Side side) const;
  // No difference is known, but it is not known that there is none either.
  bool cannot_tell() const { return differences.empty() && !uncompared.empty(); }
};

struct Comparison {
  std::vector<ItemComparison> items;  // by name
  // Items of which a journal does not tell everything any more: not compared.
  std::vector<std::string> retired;
  std::vector<std::string> retired_but_there;  // of these, those that Redis or `items` still has
  // Journals that have drained into the database too, and are not given.
  std::vector<uint64_t> journals_not_given;
};

class Comparer {
 public:
  // All references outlive the comparer.
  Comparer(const Sources& sources, RedisConnection& redis, MysqlItems& mysql);

  // An empty filter: all items. `repair`, if not empty, is given the orders that MySQL has wrong.
  Result<Comparison> run(const ItemFilter& filter, const Repairer& repair);
  // Has the proxies rebuild the shelves of these items, as of the last run.
  Status ask_rebuild(const ItemFilter& names);

 private:
  Status read_sides(const ItemFilter& filter);
  Status open_redis();
  Status read_redis(const std::vector<std::string>& names);
  Status read_receipts();
  void find_journals_not_given();
  std::vector<uint32_t> lanes() const;
  Result<Comparison> judge_all(const Repairer& repair);
  ItemComparison gather(const std::string& name) const;
  void judge_redis(ItemComparison& item) const;
  bool judge_lanes(ItemComparison& item) const;
  void judge_lane(ItemComparison& item, uint32_t lane, uint64_t sequence) const;
  std::optional<uint64_t> unjournaled(const ItemComparison& item, uint32_t lane, uint64_t from,
                                      uint64_t to) const;
  void judge_row(ItemComparison& item) const;
  bool is_retired(const ItemComparison& item) const;
  bool may_have_retired_part(const ItemComparison& item) const;
  bool proves_what_was_given(const ItemComparison& item) const;
  uint32_t shelf_of(const std::string& item) const;
  Status judge_orders(Comparison& comparison, const Repairer& repair);

  const Sources& sources_;
  RedisConnection& connection_;
  MysqlItems& mysql_;
  // Of this run.
  Checkpoints checkpoints_;
  std::vector<uint64_t> journals_not_given_;
  std::optional<JournalTotals> totals_;
  std::optional<RedisItems> redis_;
  std::map<std::string, RedisItem, std::less<>> redis_items_;
  // By shelf and lane, where Redis is ahead of the journal.
  std::map<std::pair<uint32_t, uint32_t>, Receipts> receipts_;
  MysqlItemMap mysql_items_;
};

}  // namespace sluice::ctl
