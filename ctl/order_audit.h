// Order by order: which orders of an item MySQL lacks, and which it has that no journal knows.
//
// Runs only for items whose tallies differ, and in portions of bounded size, so that memory does
// not grow with the orders. An item of more than one portion is narrowed down first: both sides are
// tallied by bucket of order ids, and only buckets that differ are compared. Each portion reads the
// journals once.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <iterator>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "ctl/journal_totals.h"
#include "ctl/mysql_items.h"

namespace sluice::ctl {

// Orders of one kind: all are counted, the first ones are named.
struct OrderList {
  static constexpr size_t kNamedMax = 20;
  uint64_t orders = 0;
  std::vector<uint64_t> first;

  void add(uint64_t order_id);
};

struct OrderFindings {
  OrderList missing;      // in the journal below the checkpoint; neither a row nor a dead letter
  // By status: so in the journal below the checkpoint, and not yet in MySQL.
  std::array<OrderList, std::size(orders::kOrderStatuses)> behind;
  OrderList unknown;      // in MySQL, in no journal
  OrderList altered;      // with another buyer or quantity than in the journal
  // By status: so in MySQL, but live in the journal. A shop may mark orders as paid by itself.
  std::array<OrderList, std::size(orders::kOrderStatuses)> ahead;

  bool none() const;
};

// What the journal proves of one order that MySQL has wrong.
struct OrderRepair {
  enum class Kind {
    kInsert,       // the order is missing
    kChange,       // its status is an earlier one
    kChangeEarly,  // neither is it there yet, nor is what became of it kept for it
  };
  Kind kind;
  uint64_t order_id;
  std::string user;
  std::string record;        // kInsert: its kBuy, encoded
  orders::OrderStatus status = orders::OrderStatus::kPlaced;
  int64_t changed_ms = 0;    // when that was
  bool has_fields = false;   // kInsert: its segment is still there, and with it any FIELDS
};
using OrderRepairs = std::map<std::string, std::vector<OrderRepair>>;  // by item
// Called with the repairs of one item, a portion at a time.
using Repairer =
    std::function<Status(const std::string& item, const std::vector<OrderRepair>& repairs)>;

class OrderAudit {
 public:
  // `mysql` has a transaction open, of which `checkpoints` are. `repair` may be empty.
  OrderAudit(MysqlItems& mysql, const std::vector<JournalSource>& sources,
             const Checkpoints& checkpoints, Repairer repair);

  // `items`: with how many orders each, on the side that has more. The result names all of them.
  Result<std::map<std::string, OrderFindings>> run(const std::map<std::string, uint64_t>& items);

 private:
  static constexpr uint64_t kPortionOrders = 50'000;

  struct Order {
    enum class Place { kNowhere, kOrders, kDeadLetters };
    enum class Event { kNone, kWaiting, kInMysql };

    Place place = Place::kNowhere;
    orders::OrderStatus status = orders::OrderStatus::kPlaced;  // in MySQL
    std::optional<orders::OrderStatus> early;                   // in MySQL's early changes
    std::string early_of;                                       // whose order that is about
    std::string user;           // MySQL's
    int64_t quantity = 0;

    Event bought = Event::kNone;  // in the journals
    bool altered = false;
    std::string buyer;
    orders::OrderStatus due = orders::OrderStatus::kPlaced;   // MySQL has the records
    orders::OrderStatus last = orders::OrderStatus::kPlaced;  // with all records
    int64_t due_ms = 0;
    std::string record;  // kept if the order is nowhere in MySQL
  };
  using Orders = std::map<std::string, std::map<uint64_t, Order>, std::less<>>;

  Status audit_large(const std::string& item, uint64_t orders);
  Result<Buckets> differing_buckets(const std::string& item);
  // Empty `buckets`: all of the items' orders.
  Status audit_portion(const std::vector<std::string>& items, const Buckets& buckets);
  Status read_mysql(const std::vector<std::string>& items, const Buckets& buckets, Orders& orders);
  void take(Order& order, const journal::Record& record, bool in_mysql);
  Status find_fields(OrderRepairs& repairs);
  void judge(uint64_t order_id, const Order& order, OrderFindings& findings,
             std::vector<OrderRepair>& repairs) const;

  MysqlItems& mysql_;
  const std::vector<JournalSource>& sources_;
  const Checkpoints& checkpoints_;
  const Repairer repair_;
  std::map<std::string, OrderFindings> findings_;
};

}  // namespace sluice::ctl
