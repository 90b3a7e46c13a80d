// Writes a journal as the proxy does, through GroupCommit.
#pragma once

#include <gtest/gtest.h>

#include <condition_variable>
#include <mutex>
#include <string>

#include "base/clock.h"
#include "base/file.h"
#include "base/metrics.h"
#include "journal/group_commit.h"
#include "journal/recovery.h"

namespace sluice::testing_support {

// The id of an order bought n ms after the first: orders that follow each other are spread over the
// writers, which small ids are not (orders/partition.h).
inline uint64_t spread_id(uint64_t n) { return n << 22; }

class JournalFeeder {
 public:
  explicit JournalFeeder(const std::string& dir, int64_t segment_bytes = 1 << 20) {
    base::FileSystem& fs = base::posix_file_system();
    auto recovered = journal::recover(dir, fs, [](const journal::Record&) {});
    if (!recovered) ADD_FAILURE() << recovered.error().message();
    journal::WriterOptions options;
    options.dir = dir;
    static uint32_t journals = 0;  // each is another proxy's
    const bool is_new = !recovered || recovered->journal_id == 0;
    options.proxy_id = proxy_id_ = is_new ? journals++ % 1024 : recovered->proxy_id;
    static uint64_t starts = 0;
    options.incarnation = ++starts;
    options.segment_bytes = segment_bytes;
    options.free_bytes_min = 0;
    auto started = journal::GroupCommit::start(options, fs, metrics_);
    if (!started) ADD_FAILURE() << started.error().message();
    if (started) commit_ = std::move(*started);
  }
  ~JournalFeeder() {
    if (commit_) (void)commit_->stop();
  }

  uint64_t journal_id() const { return commit_->journal_id(); }
  uint32_t proxy_id() const { return proxy_id_; }

  // The time of the records that follow.
  int64_t time_ms = base::wall_ms();

  void create(std::string_view item, int64_t stock, int64_t limit = 0, int64_t start_ms = 0,
              int64_t end_ms = 0) {
    journal::Record record = of(journal::RecordType::kCreate, item);
    record.quantity = stock;
    record.limit = limit;
    record.start_ms = start_ms;
    record.end_ms = end_ms;
    add(record);
  }
  void restock(std::string_view item, int64_t delta) {
    journal::Record record = of(journal::RecordType::kRestock, item);
    record.quantity = delta;
    add(record);
  }
  void close(std::string_view item) { add(of(journal::RecordType::kClose, item)); }
  // By the last lane.
  void remove(std::string_view item) {
    journal::Record record = of(journal::RecordType::kDelete, item);
    record.quantity = 1;
    add(record);
  }
  void reopen(std::string_view item) { add(of(journal::RecordType::kReopen, item)); }
  void buy(std::string_view item, std::string_view user, uint64_t order_id, int64_t quantity = 1,
           std::string_view request = {}, std::string_view fields = {}) {
    journal::Record record = of(journal::RecordType::kBuy, item);
    record.user = user;
    record.order_id = order_id;
    record.quantity = quantity;
    record.request = request;
    record.fields = fields;
    add(record);
  }
  void cancel(std::string_view item, std::string_view user, uint64_t order_id,
              int64_t quantity = 1) {
    journal::Record record = of(journal::RecordType::kCancel, item);
    record.user = user;
    record.order_id = order_id;
    record.quantity = quantity;
    add(record);
  }

  // Makes durable what was added since the last time.
  void commit() {
    if (count_ == 0) return;
    std::mutex mutex;
    std::condition_variable done;
    bool is_done = false;
    commit_->reserve(pending_.size());
    const size_t reserved = pending_.size();
    commit_->submit(std::move(pending_), count_, reserved, order_id_max_,
                    [&](const journal::CommitOutcome& outcome) {
                      EXPECT_TRUE(outcome.status.ok());
                      const std::lock_guard lock(mutex);
                      last_sequence_ = outcome.last_sequence;
                      is_done = true;
                      done.notify_one();
                    });
    std::unique_lock lock(mutex);
    done.wait(lock, [&] { return is_done; });
    pending_.clear();
    count_ = 0;
  }
  uint64_t last_sequence() const { return last_sequence_; }

 private:
  journal::Record of(journal::RecordType type, std::string_view item) const {
    journal::Record record;
    record.type = type;
    record.item = item;
    record.time_ms = time_ms;
    return record;
  }
  void add(const journal::Record& record) {
    journal::append_record(pending_, record);
    order_id_max_ = std::max(order_id_max_, record.order_id);
    if (++count_ == 2000 || pending_.size() > 100'000) commit();
  }

  base::Registry metrics_;
  uint32_t proxy_id_ = 0;
  std::unique_ptr<journal::GroupCommit> commit_;
  std::string pending_;
  uint32_t count_ = 0;
  uint64_t order_id_max_ = 0;
  uint64_t last_sequence_ = 0;
};

}  // namespace sluice::testing_support
