// One batch in one transaction: checkpoint, orders, cancels, items; all of it or nothing.
//
//   checkpoint  compare-and-set first: it locks the row, so of two flushers the second waits here
//               and then stops, before it has touched an order
//   orders      plain INSERTs sorted by key, split by bytes, as values if the server takes bulk
//               execution, else as text; what it refuses is bisected as text down to the row, which
//               becomes a dead letter
//   cancels     of orders from earlier batches; only what really changes counts for items.sold; of
//               an order that another proxy's journal has yet to bring: kept until it comes
//   items       last: hot rows are locked for the shortest time
//
// Leaves COMMIT or ROLLBACK to the caller, who measures the one and may not know its outcome.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "flusher/batch.h"
#include "flusher/change_set.h"
#include "flusher/checkpoint.h"
#include "orders/order_table.h"
#include "sql/connection.h"

namespace sluice::flusher {

class Transaction {
 public:
  // All references outlive the transaction. `statement_bytes`: no longer statements than that,
  // unless a single row is.
  Transaction(sql::Connection& connection, const orders::OrderTable& orders,
              const CheckpointKey& key, uint32_t writer, size_t statement_bytes);

  // Runs everything up to COMMIT. A failure means: roll back.
  std::optional<sql::Failure> run(const Batch& batch, uint64_t from);

  // After run(): the checkpoint was not at `from`; run() failed because of that.
  bool conflict() const { return conflict_; }
  uint64_t rows_inserted() const { return inserted_; }
  uint64_t dead_letters() const { return dead_; }

 private:
  std::optional<sql::Failure> advance(uint64_t from, const Batch& batch);
  std::optional<sql::Failure> insert_all();
  std::optional<sql::Failure> insert_as_values(size_t& begin);
  std::optional<sql::Failure> insert_as_text(size_t begin, size_t end);
  std::optional<sql::Failure> insert_statement(size_t begin, size_t end);
  std::optional<sql::Failure> settle(size_t begin, size_t end, std::optional<sql::Failure> failure);
  std::optional<sql::Failure> bisect(size_t begin, size_t end, sql::Failure reason);
  std::optional<sql::Failure> settle_refused(const orders::OrderRow& row,
                                             const sql::Failure& reason);
  std::optional<sql::Failure> cancel_all();
  std::optional<sql::Failure> cancel_some(std::span<const Cancellation> cancels);
  void count_sold(size_t begin, size_t end);

  sql::Connection& connection_;
  const orders::OrderTable& orders_;
  const CheckpointKey key_;
  const uint32_t writer_;
  const size_t statement_bytes_;
  ChangeSet changes_;
  std::string statement_;
  bool conflict_ = false;
  uint64_t inserted_ = 0;
  uint64_t dead_ = 0;
};

}  // namespace sluice::flusher
