// What a batch of records means for MySQL, folded so that each row is touched once.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "flusher/batch.h"
#include "orders/order_table.h"

namespace sluice::flusher {

// What became of an order that an earlier batch brought.
struct OrderChange {
  const journal::Record* order;  // or what changes it: order_id, item and user are the order's
  orders::OrderStatus status;
  int64_t time_ms;

  uint64_t order_id() const { return order->order_id; }
};

struct ItemChange {
  int64_t stock = 0;       // to be added
  int64_t sold = 0;        // to be added; the transaction counts what really went in
  int64_t updated_ms = 0;  // the newest event
  const journal::Record* settings = nullptr;  // the kCreate or kChange in the batch that holds
  std::optional<bool> open;                  // the state that the last event left
  int64_t open_ms = 0;                       // when that was decided
  bool deleted = false;  // the row goes, before anything else here is done
};

// Views and pointers are the batch's.
struct ChangeSet {
  std::vector<orders::OrderRow> orders;     // by order_id
  std::vector<OrderChange> order_changes;   // by order_id, one an order
  // By item_id, the order in which every writer locks them.
  std::map<std::string, ItemChange, std::less<>> items;

  ItemChange& item(std::string_view item_id);
};

ChangeSet fold(std::span<const journal::Record> records);

// In the order of the key, and by item and user.
bool by_order_id(const OrderChange& a, const OrderChange& b);
// The changes to each status that occurs, in the order of `changes`.
std::vector<std::vector<OrderChange>> by_status(std::span<const OrderChange> changes);
// By the table that the orders are in, quoted; within one in the order of `changes`.
std::map<std::string, std::vector<OrderChange>> by_table(const orders::OrderTable& orders,
                                                         std::span<const OrderChange> changes);
// For SQL: "1,2"; "(1,'item','user'),…"; the times, as an expression of the column with the ids.
std::string ids_of(std::span<const OrderChange> changes);
std::string orders_of(std::span<const OrderChange> changes);
std::string times_of(std::span<const OrderChange> changes, const std::string& column = "order_id");

}  // namespace sluice::flusher
