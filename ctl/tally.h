// Orders counted so that two sides can be compared without listing them.
//
// Redis, journal and MySQL each yield the same tally of the same orders: how many, how many units,
// and a fingerprint that any other set of orders, but for one in four billion, does not have.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "journal/record.h"
#include "orders/order_status.h"

namespace sluice::ctl {

struct Tally {
  uint64_t orders = 0;
  int64_t units = 0;
  uint32_t print = 0;  // XOR over the orders of CRC-32 (IEEE) of "order_id/user/quantity"

  void add(uint64_t order_id, std::string_view user, int64_t quantity);
  Tally& operator+=(const Tally& other);
  Tally& operator-=(const Tally& other);
  bool operator==(const Tally&) const = default;
};

// The fingerprint as MySQL computes it, over a group of rows.
std::string print_sql(std::string_view order_id, std::string_view user, std::string_view quantity);

// One item, as one side knows it.
struct Sales {
  int64_t given = 0;  // the stock at its creation and all restocks
  Tally bought;       // whatever became of them
  Tally cancelled;
  Tally expired;
  Tally paid;  // and not cancelled since

  // Cancelled or expired.
  Tally over() const;
  int64_t sold() const { return bought.units - over().units; }
  int64_t left() const { return given - sold(); }
  bool operator==(const Sales&) const = default;
};

// What is counted of this status; not kPlaced.
Tally& of_status(Sales& sales, orders::OrderStatus status);

// But for what was given.
bool same_orders(const Sales& a, const Sales& b);
// Takes in what another side, or a part, has of orders.
void add_orders(Sales& sales, const Sales& more);
// Takes in a record of an order, as the journal has them.
void add_order(Sales& sales, const journal::Record& record);

}  // namespace sluice::ctl
