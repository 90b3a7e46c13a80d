// One writer: a thread, a connection, a checkpoint row; one batch at a time, each one transaction.
//
//   flush loop ──push()──► queue (kQueueMax batches) ──► this thread: statements, COMMIT ──► done
//
// A batch is tried until it is committed, for as long as it takes: what MySQL cannot take now
// (deadlock, lock wait, lost connection, read-only, full, no schema) is waited for with a growing,
// jittered delay; what it will never take becomes a dead letter inside the transaction. What fails
// again and again although the server is there (an order that loses the connection, a transaction
// that is too large for a cluster) is cut in halves, down to the order. A COMMIT whose answer is
// lost is settled by reading the checkpoint back. Only another flusher's hand on the checkpoint
// ends the writer.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <random>
#include <string>
#include <thread>

#include "flusher/batch.h"
#include "flusher/checkpoint.h"
#include "flusher/metrics.h"
#include "flusher/pace.h"
#include "flusher/status.h"
#include "flusher/transaction.h"
#include "orders/order_table.h"
#include "sql/connection.h"

namespace sluice::flusher {

// What all writers share; references outlive them.
struct WriterContext {
  sql::ConnectOptions mysql;
  const orders::OrderTable& orders;
  size_t statement_bytes;
  uint64_t dead_letters_max;
  uint32_t writers;    // how many there are
  bool create_tables;  // those of orders.table's places, as they are needed
  CheckpointKey key;
  Pace& pace;
  StatusBoard& status;
  FlushMetrics& metrics;
  std::function<void()> progress;  // a batch is done, or the writer has given up; any thread
};

class MysqlWriter {
 public:
  MysqlWriter(const WriterContext& context, uint32_t index, uint64_t position);
  ~MysqlWriter() { stop(); }

  // Flush loop's thread. A batch's `end` is above every earlier one's.
  void push(std::unique_ptr<Batch> batch);
  bool full() const;
  bool idle() const;

  // Lets the statement under way end, at most for a grace time, then cuts its connection; the batch
  // is finished or rolled back. What is queued stays for the next start. Returns once the thread
  // has ended.
  void stop();
  // The first half of stop(), so that several writers end at the same time.
  void request_stop();

  // Every record of this writer below it is in MySQL.
  uint64_t position() const;
  // The time of the first record that is not; nullopt: it has none.
  std::optional<int64_t> oldest_ms() const;
  // Not empty: the writer has ended because of another flusher; the message says so.
  std::string conflict() const;
  // It has ended because the server has come back without what it had committed.
  bool is_behind() const;

 private:
  enum class Attempt { kCommitted, kAgain, kTooMuch, kConflict };

  void run();
  void write(const Batch& batch);
  Attempt write(const Part& part);
  Attempt attempt(const Part& part);
  Attempt settle_unknown(const Part& part);
  Attempt meet(const Part& part);
  Attempt failed(const sql::Failure& failure);
  bool make_tables(const sql::Failure& failure, const Part& part);
  Attempt failed_in_midst(const sql::Failure& failure, const Part& part);
  Attempt find_conflict();
  Attempt found_conflict();
  Attempt judge_conflict(const std::optional<CheckpointRow>& row);
  void report_commit(const Part& part, uint64_t rows, uint64_t dead);
  void report_gone(const std::vector<uint64_t>& order_ids);
  void report_failure(const sql::Failure& failure);
  void report_no_failure();
  void wait_us(int64_t us);
  bool stopping() const;

  const WriterContext context_;
  const uint32_t index_;

  sql::Connection connection_;  // this thread; abort() from stop()
  // This thread, of the part that is being written:
  int64_t delay_us_ = 0;       // the last back-off
  int64_t logged_us_ = 0;      // when its failures were logged last
  int attempts_ = 0;
  bool made_tables_ = false;   // that were missing
  int failed_in_midst_ = 0;    // so often, although the server was there
  bool unknown_ = false;       // a COMMIT may have succeeded
  bool committed_ = false;     // what is left is that its orders and cancels meet others'
  uint64_t unknown_rows_ = 0;  // what it would have brought
  uint64_t unknown_dead_ = 0;
  Caution caution_;          // all but the buyers who were refused is forgotten with the part
  std::minstd_rand random_;  // this thread: jitter

  mutable std::mutex mutex_;  // guards all below
  mutable std::condition_variable changed_;
  std::deque<std::unique_ptr<Batch>> queue_;  // the front one is under way
  bool stop_ = false;
  bool ended_ = false;
  uint64_t position_;
  std::string conflict_;
  bool is_behind_ = false;
  std::thread thread_;  // last: starts when all the rest is there
};

}  // namespace sluice::flusher
