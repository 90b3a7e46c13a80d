// Orders that MySQL refused: kept in sluice_dead_letter with the reason, put in again on request.
//
// A dead letter is written in the transaction of the batch that its order came in, so an order is
// always in exactly one of the two tables. A cancel that comes later marks it; a retry then inserts
// the order as cancelled.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "flusher/change_set.h"
#include "orders/order_table.h"
#include "sql/connection.h"

namespace sluice::flusher {

// In the open transaction.
std::optional<sql::Failure> insert_dead_letter(sql::Connection& connection, uint64_t journal_id,
                                               const orders::OrderRow& row,
                                               const sql::Failure& reason);

// In the open transaction: notes what became of those of the orders that are dead letters. Waits
// for a retry of one of them.
std::optional<sql::Failure> change_dead_letters(sql::Connection& connection,
                                                std::span<const OrderChange> changes);

// Of all dead letters in the database: how many there are, and a number that differs with their
// order ids.
struct DeadLetterTally {
  uint64_t count = 0;
  uint64_t checksum = 0;
  bool operator==(const DeadLetterTally&) const = default;
};
// Ends the transaction, as the next one does.
std::optional<sql::Failure> tally_dead_letters(sql::Connection& connection, DeadLetterTally& tally);
// A million of them at most.
struct DeadLetterNote {
  uint64_t order_id = 0;
  uint32_t code = 0;  // MySQL's error, and the beginning of its words
  std::string error;
};
std::optional<sql::Failure> read_dead_letters(sql::Connection& connection,
                                              std::vector<DeadLetterNote>& letters);

struct RetryReport {
  uint64_t tried = 0;
  uint64_t inserted = 0;
};
// Tries each dead letter once, each in a transaction of its own: the order, items.sold and the dead
// letter's removal together. One that is refused again stays. nullopt: went through all.
std::optional<sql::Failure> retry_dead_letters(sql::Connection& connection,
                                               const orders::OrderTable& orders,
                                               RetryReport& report);

}  // namespace sluice::flusher
