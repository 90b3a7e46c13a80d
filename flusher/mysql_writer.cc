#include "flusher/mysql_writer.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <chrono>

#include "base/clock.h"
#include "base/failpoint.h"
#include "flusher/advice.h"
#include "flusher/transaction.h"

namespace sluice::flusher {
namespace {

using sql::Failure;
using sql::FailureKind;

// One batch under way, and enough ready to go on while the reader has a run of orders for another
// writer (orders/partition.h); what is read ahead stays small.
constexpr size_t kQueueMax = 4;
constexpr auto kStopGrace = std::chrono::seconds(5);

// Any single row must fit: 32 fields of 1 KiB, each byte of them escaped to at most 7.
constexpr size_t kPacketBytesMin = 512 * 1024;

struct Backoff {
  int64_t first_us;
  int64_t max_us;
};

Backoff backoff_of(FailureKind kind) {
  switch (kind) {
    case FailureKind::kDeadlock:
    case FailureKind::kLockWait:
      return {5'000, 1'000'000};
    case FailureKind::kConnectionLost:
    case FailureKind::kTooLarge:
      return {50'000, 5'000'000};
    default:
      return {500'000, 10'000'000};
  }
}

}  // namespace

MysqlWriter::MysqlWriter(const WriterContext& context, uint32_t index, uint64_t position)
    : context_(context),
      index_(index),
      random_(static_cast<unsigned>(context.key.owner + index)),
      position_(position),
      thread_([this] { run(); }) {}

void MysqlWriter::push(std::unique_ptr<Batch> batch) {
  {
    const std::lock_guard lock(mutex_);
    queue_.push_back(std::move(batch));
  }
  changed_.notify_all();
}

bool MysqlWriter::full() const {
  const std::lock_guard lock(mutex_);
  return queue_.size() >= kQueueMax;
}

bool MysqlWriter::idle() const {
  const std::lock_guard lock(mutex_);
  return queue_.empty();
}

uint64_t MysqlWriter::position() const {
  const std::lock_guard lock(mutex_);
  return position_;
}

std::string MysqlWriter::conflict() const {
  const std::lock_guard lock(mutex_);
  return conflict_;
}

bool MysqlWriter::stopping() const {
  const std::lock_guard lock(mutex_);
  return stop_;
}

void MysqlWriter::request_stop() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  changed_.notify_all();
}

void MysqlWriter::stop() {
  request_stop();
  {
    std::unique_lock lock(mutex_);
    // A connection that is just being made is not there to be cut yet: cut again until it ends.
    while (!changed_.wait_for(lock, kStopGrace, [this] { return ended_; })) connection_.abort();
  }
  if (thread_.joinable()) thread_.join();
}

void MysqlWriter::run() {
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait(lock, [this] { return stop_ || !queue_.empty(); });
    if (stop_) break;
    const Batch& batch = *queue_.front();
    lock.unlock();
    write(batch);
    lock.lock();
    if (stop_ || !conflict_.empty()) break;
    position_ = batch.end;
    queue_.pop_front();
    lock.unlock();
    context_.progress();
    lock.lock();
  }
  ended_ = true;
  lock.unlock();
  connection_.close();
  changed_.notify_all();
  context_.progress();
}

// Returns when the batch is committed, or stop_ or conflict_ is set.
void MysqlWriter::write(const Batch& batch) {
  delay_us_ = 0;
  unknown_ = false;
  wait_us(context_.pace.take(batch.records().size(), base::monotonic_us()));
  while (!stopping()) {
    switch (attempt(batch)) {
      case Attempt::kCommitted:
      case Attempt::kConflict:
        return;
      case Attempt::kAgain:
        wait_us(delay_us_);
    }
  }
}

MysqlWriter::Attempt MysqlWriter::attempt(const Batch& batch) {
  if (!connection_.connected()) {
    if (const auto failure = connection_.connect(context_.mysql)) return failed(*failure);
    if (connection_.max_allowed_packet() < kPacketBytesMin) {
      connection_.close();  // the server's setting may have changed by the next attempt
      return failed({FailureKind::kTooLarge, 0, "max_allowed_packet is less than 512 KiB"});
    }
  }
  if (unknown_) return settle_unknown(batch);

  const int64_t began_us = base::monotonic_us();
  Transaction transaction(connection_, context_.orders, context_.key, index_,
                          context_.statement_bytes);
  if (const auto failure = transaction.run(batch, position())) {
    // Also after a lock wait, which takes back its own statement only.
    connection_.rollback();
    return transaction.conflict() ? found_conflict() : failed(*failure);
  }
  base::failpoint(base::Failpoint::kFlushBeforeCommit);
  const int64_t commit_us = base::monotonic_us();
  if (const auto failure = connection_.exec("COMMIT")) {
    unknown_ = true;
    unknown_rows_ = transaction.rows_inserted();
    unknown_dead_ = transaction.dead_letters();
    connection_.rollback();
    return failed(*failure);
  }
  base::failpoint(base::Failpoint::kFlushAfterCommit);
  const int64_t now_us = base::monotonic_us();
  context_.metrics.seconds.observe(static_cast<uint64_t>(now_us - began_us));
  context_.pace.committed(batch.records().size(), now_us - commit_us, now_us);
  report_commit(batch, transaction.rows_inserted(), transaction.dead_letters());
  return Attempt::kCommitted;
}

// The answer to a COMMIT was lost: the checkpoint tells whether it happened.
MysqlWriter::Attempt MysqlWriter::settle_unknown(const Batch& batch) {
  std::optional<CheckpointRow> row;
  if (const auto failure = read_checkpoint_settled(connection_, context_.key, index_, row)) {
    return failed(*failure);
  }
  if (!row) return found_conflict();
  if (row->position == position()) {
    unknown_ = false;
    delay_us_ = 0;
    return Attempt::kAgain;
  }
  if (row->position != batch.end || row->owner != context_.key.owner) return found_conflict();
  report_commit(batch, unknown_rows_, unknown_dead_);
  return Attempt::kCommitted;
}

MysqlWriter::Attempt MysqlWriter::failed(const Failure& failure) {
  context_.metrics.retry(failure.kind).add();
  const Backoff backoff = backoff_of(failure.kind);
  const bool first = delay_us_ == 0;
  delay_us_ = first ? backoff.first_us : std::min(delay_us_ * 2, backoff.max_us);
  // Writers that collided must not come back together.
  delay_us_ = delay_us_ / 2 + static_cast<int64_t>(random_() % static_cast<uint64_t>(delay_us_));
  const std::string message = failure.text() + advice(failure);
  if (first) spdlog::warn("writer {}: {}; trying again", index_, message);
  context_.status.update([&](StatusSnapshot& status) {
    status.mysql_error = message;
    status.mysql_connected = failure.kind != FailureKind::kConnectionLost;
  });
  return Attempt::kAgain;
}

MysqlWriter::Attempt MysqlWriter::found_conflict() {
  const std::lock_guard lock(mutex_);
  conflict_ = "journal " + std::to_string(context_.key.journal_id) + ", writer " +
              std::to_string(index_) + ": the checkpoint is not where this flusher left it (" +
              std::to_string(position_) +
              "): another flusher has taken the journal over, or the database was restored; make "
              "sure that no other flusher runs, then start again";
  return Attempt::kConflict;
}

void MysqlWriter::report_commit(const Batch& batch, uint64_t rows, uint64_t dead) {
  context_.metrics.rows.add(rows);
  const int64_t now_ms = base::wall_ms();
  context_.status.update([&](StatusSnapshot& status) {
    status.rows_total += rows;
    status.dead_letter_rows += dead;
    status.last_commit_ms = now_ms;
    status.mysql_connected = true;
    status.mysql_error.clear();
  });
  if (dead > 0) {
    spdlog::warn("writer {}: MySQL refused {} orders before sequence {}; see sluice_dead_letter",
                 index_, dead, batch.end);
  }
}

void MysqlWriter::wait_us(int64_t us) {
  if (us <= 0) return;
  std::unique_lock lock(mutex_);
  changed_.wait_for(lock, std::chrono::microseconds(us), [this] { return stop_; });
}

}  // namespace sluice::flusher
