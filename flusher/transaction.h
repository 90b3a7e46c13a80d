// One batch in one transaction: checkpoint, orders, what became of them, items; all of it or
// nothing.
//
//   checkpoint  compare-and-set first: it locks the row, so of two flushers the second waits here
//               and then stops, before it has touched an order
//   changes     of orders from earlier batches, which were paid or cancelled or have expired; only
//               what really changes counts for items.sold; of an order that another proxy's journal
//               has yet to bring: kept until it comes (early_change.h says where they meet)
//   orders      plain INSERTs sorted by key, split by bytes, as values if the server takes bulk
//               execution, else as text; a row that it refuses is looked for by halving and becomes
//               a dead letter, unless it would refuse any row
//   items       last: hot rows are locked for the shortest time
//
// Whether a row is bad or the table is, MySQL's error numbers do not tell. So if half of the orders
// and several buyers are refused alike, one order is tried without what its buyer wrote (its
// FIELDS): refused in the same way, all of it fails and is to be waited for.
//
// Leaves COMMIT or ROLLBACK to the caller, who measures the one and may not know its outcome.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>

#include "flusher/batch.h"
#include "flusher/change_set.h"
#include "flusher/checkpoint.h"
#include "orders/order_table.h"
#include "sql/connection.h"

namespace sluice::flusher {

// What earlier attempts have taught.
struct Caution {
  bool any_error_is_a_rows = false;         // an INSERT that fails, with whatever, has a bad row
  std::optional<sql::Failure> condemned;    // the one order there is becomes a dead letter, untried
  std::set<std::string> refused_before;     // buyers, since an order went in
  uint64_t dead_letters_left = UINT64_MAX;  // until limits.dead_letters
  bool duplicates_may_pass = false;         // those of another key than the order's
};

// What one statement may have, unless a single row is longer.
struct StatementSize {
  size_t bytes;
  size_t orders = SIZE_MAX;  // that it inserts
};

class Transaction {
 public:
  // All references outlive the transaction.
  Transaction(sql::Connection& connection, const orders::OrderTable& orders,
              const CheckpointKey& key, uint32_t writer, const StatementSize& most,
              const Caution& caution);

  // Runs everything up to COMMIT. A failure means: roll back.
  std::optional<sql::Failure> run(const Part& part, uint64_t from);

  // After run(): the checkpoint was not at `from`; run() failed because of that.
  bool conflict() const { return conflict_; }
  // The checkpoint was moved: until then the server was there, and took it.
  bool began() const { return began_; }
  uint64_t rows_inserted() const { return inserted_; }
  uint64_t dead_letters() const { return dead_; }
  // Orders that were cancelled, and whose rows somebody has taken out of the table.
  const std::vector<uint64_t>& gone() const { return gone_; }
  // Buyers of orders that were refused, whatever with.
  std::set<std::string> refused() const;

 private:
  struct Refusals {  // with one error number
    uint64_t count = 0;
    std::set<std::string> buyers;
    const orders::OrderRow* example = nullptr;
    std::string message;
  };

  std::optional<sql::Failure> advance(uint64_t from, const Part& part);
  std::optional<sql::Failure> insert_all();
  std::optional<sql::Failure> condemn();
  std::optional<sql::Failure> take_unfit_out();
  std::optional<sql::Failure> insert_as_values(size_t& begin, size_t end);
  std::optional<sql::Failure> insert_as_text(size_t begin, size_t end);
  std::optional<sql::Failure> send(size_t begin, size_t& end);
  std::optional<sql::Failure> send_with_details(size_t begin, size_t end);
  std::optional<sql::Failure> insert_details(size_t begin, size_t end);
  std::optional<sql::Failure> settle(size_t begin, size_t end, std::optional<sql::Failure> failure);
  bool is_refusal(const sql::Failure& failure) const;
  std::optional<sql::Failure> take_out(size_t& begin, size_t end, sql::Failure reason);
  std::optional<sql::Failure> settle_refused(const orders::OrderRow& row,
                                             const sql::Failure& reason);
  std::optional<sql::Failure> bury(const orders::OrderRow& row, const sql::Failure& reason);
  std::optional<sql::Failure> judge(unsigned code, const Refusals& alike);
  std::optional<sql::Failure> change_all();
  std::optional<sql::Failure> change_some(std::span<const OrderChange> changes);
  std::optional<sql::Failure> change_in(const std::string& table,
                                        std::span<const OrderChange> changes,
                                        std::vector<OrderChange>& missing, std::set<uint64_t>& own);
  void give_back(const OrderChange& change, int64_t quantity);
  void count_sold(size_t begin, size_t end);

  sql::Connection& connection_;
  const orders::OrderTable& orders_;
  const CheckpointKey key_;
  const uint32_t writer_;
  const StatementSize most_;
  const Caution& caution_;
  ChangeSet changes_;
  std::string table_, head_;  // that is being inserted into; quoted, and the INSERT's beginning
  std::string statement_;
  std::map<unsigned, Refusals> refusals_;  // by error number; without duplicates
  bool is_of_rows_ = false;                // and it was found that other rows would go in
  bool conflict_ = false;
  bool began_ = false;
  uint64_t inserted_ = 0;
  uint64_t dead_ = 0;
  std::vector<uint64_t> gone_;
};

}  // namespace sluice::flusher
