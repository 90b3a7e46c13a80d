#include "flusher/mysql_writer.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <chrono>
#include <utility>

#include "base/clock.h"
#include "base/failpoint.h"
#include "flusher/advice.h"
#include "flusher/early_change.h"
#include "orders/schema.h"

namespace sluice::flusher {
namespace {

using sql::Failure;
using sql::FailureKind;

// One batch under way, and enough ready to go on while the reader has a run of orders for another
// writer (orders/partition.h); what is read ahead stays small.
constexpr size_t kQueueMax = 4;
constexpr auto kStopGrace = std::chrono::seconds(5);
// Of what may pass by itself, although the server was there.
constexpr int kFailuresBorne = 2;
constexpr int64_t kLogAgainUs = 60'000'000;

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

std::optional<int64_t> MysqlWriter::oldest_ms() const {
  const std::lock_guard lock(mutex_);
  for (const auto& batch : queue_) {
    for (const journal::Record& record : batch->records()) {
      if (record.sequence >= position_) return record.time_ms;
    }
  }
  return std::nullopt;
}

std::string MysqlWriter::conflict() const {
  const std::lock_guard lock(mutex_);
  return conflict_;
}

bool MysqlWriter::is_behind() const {
  const std::lock_guard lock(mutex_);
  return is_behind_;
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
    if (stop_ || is_behind_ || !conflict_.empty()) break;
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
  const size_t all = batch.records().size();
  size_t done = 0, most = std::max<size_t>(all, 1);
  size_t granted = 0;  // by the pace, once for each record
  do {
    const Part part = batch.part(done, std::min(most, context_.pace.batch_rows()));
    if (const size_t end = done + part.records.size(); end > granted) {
      wait_us(context_.pace.take(end - granted, base::monotonic_us()));
      granted = end;
    }
    const Attempt result = write(part);
    if (result == Attempt::kTooMuch) {
      most = (part.records.size() + 1) / 2;
      continue;
    }
    if (result != Attempt::kCommitted) return;
    done += part.records.size();
    most = std::min(most * 2, std::max<size_t>(all, 1));
    const std::lock_guard lock(mutex_);
    position_ = part.end;
  } while (done < all);
}

// kCommitted, kTooMuch, kConflict; or kAgain, if it is to stop.
MysqlWriter::Attempt MysqlWriter::write(const Part& part) {
  delay_us_ = logged_us_ = 0;
  failed_in_midst_ = attempts_ = 0;
  unknown_ = committed_ = made_tables_ = false;
  caution_ = {.refused_before = std::move(caution_.refused_before)};
  while (!stopping()) {
    const Attempt result = attempt(part);
    if (result == Attempt::kCommitted) report_no_failure();
    if (result != Attempt::kAgain) return result;
    wait_us(delay_us_);
  }
  return Attempt::kAgain;
}

MysqlWriter::Attempt MysqlWriter::attempt(const Part& part) {
  if (connection_.connected() && connection_.is_elsewhere()) connection_.close();
  if (!connection_.connected()) {
    if (const auto failure = connection_.connect(context_.mysql)) return failed(*failure);
    if (connection_.max_allowed_packet() < kPacketBytesMin) {
      connection_.close();  // the server's setting may have changed by the next attempt
      return failed({FailureKind::kTooLarge, 0, "max_allowed_packet is less than 512 KiB"});
    }
  }
  if (committed_) return meet(part);
  if (unknown_) return settle_unknown(part);

  const int64_t began_us = base::monotonic_us();
  const uint64_t dead_before = context_.status.read().dead_letter_rows;
  caution_.dead_letters_left =
      context_.dead_letters_max - std::min(dead_before, context_.dead_letters_max);
  Transaction transaction(connection_, context_.orders, context_.key, index_,
                          {context_.statement_bytes, context_.pace.statement_rows()}, caution_);
  // By what another writer brings; one look again is enough.
  caution_.duplicates_may_pass = context_.writers > 1 && ++attempts_ == 1;
  if (const auto failure = transaction.run(part, position())) {
    // Also after a lock wait, which takes back its own statement only.
    connection_.rollback();
    if (transaction.conflict()) return find_conflict();
    if (make_tables(*failure, part)) return attempt(part);
    return transaction.began() ? failed_in_midst(*failure, part) : failed(*failure);
  }
  base::failpoint(base::Failpoint::kFlushBeforeCommit);
  const int64_t commit_us = base::monotonic_us();
  if (const auto failure = connection_.exec("COMMIT")) {
    unknown_ = true;
    unknown_rows_ = transaction.rows_inserted();
    unknown_dead_ = transaction.dead_letters();
    connection_.rollback();
    return failed_in_midst(*failure, part);
  }
  base::failpoint(base::Failpoint::kFlushAfterCommit);
  const int64_t now_us = base::monotonic_us();
  context_.metrics.seconds.observe(static_cast<uint64_t>(now_us - began_us));
  context_.pace.committed(part.records.size(), now_us - commit_us, now_us);
  if (transaction.rows_inserted() > 0) caution_.refused_before.clear();
  caution_.refused_before.merge(transaction.refused());
  report_commit(part, transaction.rows_inserted(), transaction.dead_letters());
  report_gone(transaction.gone());
  return meet(part);
}

// What is cancelled through another proxy than it was bought through is settled here.
MysqlWriter::Attempt MysqlWriter::meet(const Part& part) {
  committed_ = true;
  OrderRange range{UINT64_MAX, 0};
  for (const journal::Record& record : part.records) {
    if (record.order_id == 0) continue;
    range.first = std::min(range.first, record.order_id);
    range.last = std::max(range.last, record.order_id);
  }
  if (range.first > range.last) return Attempt::kCommitted;
  uint64_t settled = 0;
  if (const auto failure = settle_early_changes(connection_, context_.orders, range, settled)) {
    return failed(*failure);
  }
  return Attempt::kCommitted;
}

// The answer to a COMMIT was lost: the checkpoint tells whether it happened.
MysqlWriter::Attempt MysqlWriter::settle_unknown(const Part& part) {
  std::optional<CheckpointRow> row;
  if (const auto failure = read_checkpoint_settled(connection_, context_.key, index_, row)) {
    return failed(*failure);
  }
  if (row && row->position == position()) {
    unknown_ = false;
    delay_us_ = 0;
    const bool is_too_much = failed_in_midst_ > kFailuresBorne && part.records.size() > 1;
    return is_too_much ? Attempt::kTooMuch : Attempt::kAgain;
  }
  if (!row || row->position != part.end || row->owner != context_.key.owner)
    return judge_conflict(row);
  report_commit(part, unknown_rows_, unknown_dead_);
  return meet(part);
}

// Another month has begun, or another item is sold.
bool MysqlWriter::make_tables(const Failure& failure, const Part& part) {
  const bool may_help = failure.code == sql::kNoSuchTable && context_.create_tables &&
                        (!context_.orders.is_one_table() || context_.orders.details() != nullptr) &&
                        !std::exchange(made_tables_, true);
  if (!may_help) return false;
  const auto refused = orders::make_tables(connection_, context_.orders, part.records);
  if (refused) spdlog::warn("writer {}: {}", index_, refused->text());
  return !refused;
}

MysqlWriter::Attempt MysqlWriter::failed(const Failure& failure) {
  context_.metrics.retry(failure.kind).add();
  if (failure.kind == FailureKind::kLockWait) context_.pace.lock_wait_ended(base::monotonic_us());
  const Backoff backoff = backoff_of(failure.kind);
  delay_us_ = delay_us_ == 0 ? backoff.first_us : std::min(delay_us_ * 2, backoff.max_us);
  // Writers that collided must not come back together.
  delay_us_ = delay_us_ / 2 + static_cast<int64_t>(random_() % static_cast<uint64_t>(delay_us_));
  report_failure(failure);
  return Attempt::kAgain;
}

// With the checkpoint moved the server was there: if this comes again and again, it is for what the
// transaction brings.
MysqlWriter::Attempt MysqlWriter::failed_in_midst(const Failure& failure, const Part& part) {
  const bool may_be_of_rows = failure.kind == FailureKind::kOther ||
                              failure.kind == FailureKind::kConnectionLost ||
                              failure.kind == FailureKind::kTooLarge;
  (void)failed(failure);
  if (!may_be_of_rows) return Attempt::kAgain;
  ++failed_in_midst_;
  if (caution_.condemned) {  // it fails without the order, too
    caution_.condemned.reset();
    failed_in_midst_ = 0;
    return Attempt::kAgain;
  }
  if (failure.kind == FailureKind::kOther) caution_.any_error_is_a_rows = true;
  const bool is_borne =
      failed_in_midst_ <= kFailuresBorne && failure.kind != FailureKind::kTooLarge;
  if (is_borne || unknown_) return Attempt::kAgain;
  if (part.records.size() > 1) return Attempt::kTooMuch;
  const bool is_order = !part.records.empty() && part.records[0].type == journal::RecordType::kBuy;
  if (is_order) caution_.condemned = failure;
  return Attempt::kAgain;
}

void MysqlWriter::report_failure(const Failure& failure) {
  const std::string message = failure.text() + advice(failure);
  const int64_t now_us = base::monotonic_us();
  if (logged_us_ == 0 || now_us - logged_us_ > kLogAgainUs) {
    spdlog::warn("writer {}: {}; trying again", index_, message);
    logged_us_ = now_us;
  }
  const bool is_connected = connection_.connected();
  context_.status.update([&](StatusSnapshot& status) {
    status.writer_errors[index_] = message;
    if (!is_connected) status.mysql_connected = false;
    status.failed(failure);
  });
}

void MysqlWriter::report_no_failure() {
  context_.status.update([&](StatusSnapshot& status) {
    status.writer_errors.erase(index_);
    // What one writer may do another may still be refused.
    if (status.writer_errors.empty()) status.mysql_connected = true;
  });
}

MysqlWriter::Attempt MysqlWriter::find_conflict() {
  std::optional<CheckpointRow> row;
  if (const auto failure = read_checkpoint_settled(connection_, context_.key, index_, row)) {
    return failed(*failure);
  }
  return judge_conflict(row);
}

MysqlWriter::Attempt MysqlWriter::judge_conflict(const std::optional<CheckpointRow>& row) {
  if (standing_of(row, context_.key, position()) != Standing::kBehind) return found_conflict();
  const std::lock_guard lock(mutex_);
  is_behind_ = true;
  return Attempt::kConflict;
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

void MysqlWriter::report_commit(const Part& part, uint64_t rows, uint64_t dead) {
  context_.metrics.rows.add(rows);
  const int64_t now_ms = base::wall_ms();
  context_.status.update([&](StatusSnapshot& status) {
    status.rows_total += rows;
    status.dead_letter_rows += dead;
    if (dead > 0) ++status.dead_letters_version;
    status.last_commit_ms = now_ms;
  });
  if (dead > 0) {
    spdlog::warn("writer {}: MySQL refused {} orders before sequence {}; see sluice_dead_letter",
                 index_, dead, part.end);
  }
}

void MysqlWriter::report_gone(const std::vector<uint64_t>& order_ids) {
  if (order_ids.empty()) return;
  context_.metrics.gone.add(order_ids.size());
  spdlog::warn(
      "writer {}: {} orders were cancelled whose rows somebody has deleted or archived, the first "
      "is {}; items.sold counts them no more: see sluice-ctl reconcile",
      index_, order_ids.size(), order_ids.front());
}

void MysqlWriter::wait_us(int64_t us) {
  if (us <= 0) return;
  std::unique_lock lock(mutex_);
  changed_.wait_for(lock, std::chrono::microseconds(us), [this] { return stop_; });
}

}  // namespace sluice::flusher
