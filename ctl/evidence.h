// What is proven of some lanes by everything that is left: their folders, Redis, MySQL, and the
// journals of the other proxies. A new journal can be written from it (ctl/new_journal.h).
//
//   folders (salvaged) ─► Redis, less what the others' journals gave ─► MySQL ─► Evidence
//
// Orders add up: what any of them has is an order. Of stock, which one copy may have given and the
// other not, the larger amount counts that a single one proves, so that nothing is oversold;
// MySQL's only if nobody drains into it whose journal is not at hand; then an item that only MySQL
// has is theirs, too (a deleted one has no row). An order that a deleted
// item's predecessor sold stays where it is, in MySQL.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "base/error.h"
#include "ctl/mysql_items.h"
#include "ctl/redis_connection.h"
#include "ctl/sources.h"
#include "journal/salvage.h"
#include "journal/snapshot.h"

namespace sluice::ctl {

struct ProvenOrder {
  std::string user, request, fields;
  int64_t quantity = 0;
  int64_t time_ms = 0;
  orders::OrderStatus status = orders::OrderStatus::kPlaced;
  int64_t changed_ms = 0;      // when that was; 0: nobody knows
  std::string status_request;  // with which it was paid or cancelled
  bool in_folder = false, in_redis = false;
  bool in_mysql = false;         // a row, or a dead letter
  // In that, or kept for it.
  orders::OrderStatus mysql_status = orders::OrderStatus::kPlaced;
};

struct ProvenItem {
  struct Restock {
    std::string request;
    int64_t quantity = 0, time_ms = 0;
  };

  bool in_redis = false, has_row = false;
  bool row_is_defined = false;  // by its creation; else by restocks and sales alone
  bool only_in_mysql = false;  // neither the folders nor Redis know it
  bool is_created = false;  // through one of the lanes
  int64_t created_ms = 0, initial = 0;
  int64_t limit = 0, start_ms = 0, end_ms = 0, hold_ms = 0;
  int64_t settings_ms = 0;  // when these were decided; 0: at its creation
  int64_t folder_given = 0, redis_given = 0, mysql_given = 0;  // by these lanes, as each side says
  bool mysql_counts = false;
  std::vector<Restock> restocks;                               // of the folders
  std::set<std::string> requests;                              // of restocks, as Redis has them
  bool is_closed = false;
  int64_t state_ms = 0;  // when that was decided; 0: nobody has
  bool is_deleted = false, is_deleted_by_last = false;
  std::map<uint64_t, ProvenOrder> orders;   // of these lanes, by order id
  // What became of other lanes' orders, known to these lanes alone.
  std::map<uint64_t, ProvenOrder> changes;

  int64_t given() const {
    const int64_t given = std::max(folder_given, redis_given);
    return mysql_counts ? std::max(given, mysql_given) : given;
  }
};

struct Evidence {
  using Key = std::tuple<std::string, uint64_t>;  // name, born

  std::map<Key, ProvenItem> items;
  uint32_t shelves = 0;       // 0: nobody knows
  uint64_t order_id_max = 0;  // the highest that one of the lanes is known to have given out
  std::vector<journal::Salvage> folders;
  bool redis_has_lanes = false;  // Redis has something of one of them
};

// What the taking over is about.
struct TakeOver {
  std::set<uint32_t> lanes;           // whose history it is
  std::vector<std::string> folders;   // of their journals; may be gone, old or damaged
  std::vector<JournalSource> others;  // the other proxies' journals, which must be whole
  std::set<uint32_t> living;          // lanes that somebody else answers for, these and more
};

// Reads everything. The proxies of the lanes must not run.
Result<Evidence> gather_evidence(const TakeOver& what, RedisConnection& redis, MysqlItems& mysql);

}  // namespace sluice::ctl
