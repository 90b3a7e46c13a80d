#include "journal/group_commit.h"

#include <algorithm>
#include <atomic>
#include <deque>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/failpoint.h"
#include "base/units.h"
#include "journal/background_sync.h"
#include "journal/batch_queue.h"
#include "journal/room.h"
#include "journal/segment.h"
#include "journal/segment_log.h"
#include "journal/segment_supply.h"

namespace sluice::journal {
namespace {

// One write and one sync cover at most this much, so that the first batch of a long queue is not
// kept waiting for the last.
constexpr size_t kGroupBytesMax = size_t{4} << 20;

// Small segments (of tests) must still take a few frames each.
int64_t frame_limit(const WriterOptions& options) {
  return std::min(static_cast<int64_t>(kFrameBytesMax), options.segment_bytes / 4);
}

class GroupCommitThread final : public GroupCommit {
 public:
  GroupCommitThread(const WriterOptions& options, base::FileSystem& fs,
                    std::unique_ptr<base::FileLock> lock, base::Registry& metrics);
  ~GroupCommitThread() override { (void)stop(); }

  Status open();

  bool reserve(size_t bytes) override {
    return !broken_.load(std::memory_order_relaxed) && room_.reserve(bytes);
  }
  void release(size_t bytes) override { room_.release(bytes); }
  void submit(std::string records, uint32_t count, size_t reserved, uint64_t order_id_max,
              Done done) override;

  uint64_t synced_sequence() const override { return synced_.load(std::memory_order_acquire); }
  uint64_t written_sequence() const override { return written_.load(std::memory_order_acquire); }
  uint64_t journal_id() const override { return log_.journal_id(); }
  int64_t bytes_used() const override { return supply_.bytes_used(); }
  int64_t busy_us() const override;
  bool full() const override { return room_.full(); }
  std::string shortage() const override { return supply_.shortage(); }
  const base::Histogram* fsync_seconds() const override { return &fsync_us_; }
  Status stop() override;

 private:
  void run();
  bool wait_for_work();
  void commit_group();
  Status write_group();
  Status append_frame_of(size_t& first);
  void publish();
  void break_journal(const Error& error);
  void report_failure();
  void acknowledge();
  bool may_acknowledge() const;
  void background_synced(const Status& status, uint64_t sequence);
  void take_sync_report();

  const WriterOptions options_;
  const int64_t frame_bytes_max_;
  std::unique_ptr<base::FileLock> lock_;  // until stop() is done
  base::Histogram& fsync_us_;
  base::Gauge& bytes_used_;
  base::Counter& records_total_;
  base::Counter& groups_total_;
  base::Counter& bytes_total_;

  Room room_;
  SegmentSupply supply_;
  SegmentLog log_;  // commit thread only once that runs
  std::atomic<uint64_t> synced_{0};
  std::atomic<uint64_t> written_{0};
  std::atomic<bool> broken_{false};
  std::atomic<int64_t> busy_since_us_{0};  // when the commit under way began; 0: none is

  BatchQueue queue_;  // signalled when a background sync has ended
  std::mutex mutex_;
  uint64_t background_sequence_ = 0;   // a background sync came up to here; guarded by mutex_
  std::optional<Error> sync_failure_;  // … and ended with this; guarded by mutex_

  // Commit thread only.
  std::vector<Batch> taken_;           // from the queue; those of a thread in its order
  size_t group_begin_ = 0;             // taken_[group_begin_, group_end_) is being committed
  size_t group_end_ = 0;
  std::deque<Batch> written_batches_;  // written, not yet acknowledged
  std::string frame_;                  // records of the frame in the making
  std::optional<Error> failure_;       // why the journal is broken
  bool failure_reported_ = false;

  std::unique_ptr<BackgroundSync> background_;  // kEverySecond only
  std::thread thread_;
  Status stopped_;  // result of stop(), once it was called
};

GroupCommitThread::GroupCommitThread(const WriterOptions& options, base::FileSystem& fs,
                                     std::unique_ptr<base::FileLock> lock,
                                     base::Registry& metrics)
    : options_(options), frame_bytes_max_(frame_limit(options)), lock_(std::move(lock)),
      fsync_us_(metrics.histogram("sluice_journal_fsync_seconds",
                                  "Duration of one fdatasync of the journal.", 1e-6)),
      bytes_used_(metrics.gauge("sluice_journal_bytes",
                                "Disk space of all journal segments, preallocated ones included.")),
      records_total_(metrics.counter("sluice_journal_records_total", "Records written.")),
      groups_total_(metrics.counter("sluice_journal_groups_total",
                                    "Group commits: one write and at most one fdatasync each.")),
      bytes_total_(metrics.counter("sluice_journal_record_bytes_total",
                                   "Bytes of the records written, without frames.")),
      supply_(options_, frame_bytes_max_, fs, room_, bytes_used_),
      log_(options_, frame_bytes_max_, fs, supply_, room_, fsync_us_,
           [this] { return background_ ? background_->settle() : Status(); }) {
  metrics.gauge("sluice_journal_bytes_max", "Limit of sluice_journal_bytes.")
      .set(options.bytes_max);
}

Status GroupCommitThread::open() {
  SLUICE_TRY(log_.open());
  publish();
  if (options_.fsync == FsyncPolicy::kEverySecond) {
    background_ = std::make_unique<BackgroundSync>(
        options_.sync_interval_us, fsync_us_,
        [this](const Status& status, uint64_t sequence) { background_synced(status, sequence); });
  }
  thread_ = std::thread([this] { run(); });
  return {};
}

void GroupCommitThread::submit(std::string records, uint32_t count, size_t reserved,
                               uint64_t order_id_max, Done done) {
  SLUICE_ASSERT(count > 0, "a batch without records");
  SLUICE_ASSERT(static_cast<int64_t>(frame_bytes(records.size())) <= frame_bytes_max_,
                "a batch larger than a frame may be");
  Batch batch{std::move(records), count, reserved, order_id_max, std::move(done)};
  if (queue_.push(batch)) return;
  room_.release(reserved);
  batch.done({Error(ErrorClass::kUnavailable, "the journal has stopped"), 0, false});
}

int64_t GroupCommitThread::busy_us() const {
  const int64_t since_us = busy_since_us_.load(std::memory_order_relaxed);
  return since_us == 0 ? 0 : std::max<int64_t>(base::monotonic_us() - since_us, 1);
}

Status GroupCommitThread::stop() {
  if (!thread_.joinable() || !queue_.close()) return stopped_;
  thread_.join();
  if (failure_) stopped_ = *failure_;
  supply_.stop();
  lock_.reset();
  return stopped_;
}

void GroupCommitThread::run() {
  while (wait_for_work()) {
    for (group_end_ = 0; group_end_ < taken_.size();) {
      group_begin_ = group_end_;
      busy_since_us_.store(base::monotonic_us(), std::memory_order_relaxed);
      commit_group();
    }
    busy_since_us_.store(0, std::memory_order_relaxed);
    taken_.clear();
    acknowledge();
    report_failure();
  }
  background_.reset();  // its last report may still come, and may be a failure
  if (sync_failure_ && !failure_) break_journal(*sync_failure_);
  if (!failure_) {
    if (Status closed = log_.close(); !closed) break_journal(closed.error());
  }
  publish();
  acknowledge();
  report_failure();
}

// Sleeps until there is something to do; false when there will never be again.
bool GroupCommitThread::wait_for_work() {
  const BatchQueue::Taken found = queue_.take(taken_);
  if (found.signalled) take_sync_report();
  return !found.ended;
}

void GroupCommitThread::take_sync_report() {
  const std::lock_guard lock(mutex_);
  log_.set_synced(background_sequence_);
  if (sync_failure_ && !failure_) break_journal(*sync_failure_);
  publish();
}

// Takes as many batches as one write and one sync may cover, and sees them through both.
void GroupCommitThread::commit_group() {
  size_t bytes = 0;
  while (group_end_ < taken_.size() && bytes < kGroupBytesMax) {
    bytes += taken_[group_end_++].records.size();
  }
  if (!failure_) {
    if (Status written = write_group(); !written) break_journal(written.error());
  }
  for (size_t i = group_begin_; i < group_end_; ++i) {
    if (!failure_) records_total_.add(taken_[i].count);
    room_.release(taken_[i].reserved);
    taken_[i].records = {};
    written_batches_.push_back(std::move(taken_[i]));
  }
  if (!failure_) {
    groups_total_.add();
    bytes_total_.add(bytes);
    if (background_) background_->written(log_.file(), log_.written_sequence());
    publish();
  }
  acknowledge();
}

Status GroupCommitThread::write_group() {
  for (size_t first = group_begin_; first < group_end_;) SLUICE_TRY(append_frame_of(first));
  SLUICE_TRY(log_.write());
  if (options_.fsync == FsyncPolicy::kAlways) SLUICE_TRY(log_.sync());
  base::failpoint(base::Failpoint::kJournalAfterSync);
  return {};
}

// Puts the batches from `first` on into one frame, as many as it takes, and moves `first` on.
Status GroupCommitThread::append_frame_of(size_t& first) {
  frame_.clear();
  uint32_t count = 0;
  uint64_t sequence = log_.next_sequence() - 1;
  for (; first < group_end_; ++first) {
    Batch& batch = taken_[first];
    const size_t bytes = frame_bytes(frame_.size() + batch.records.size());
    if (count > 0 && static_cast<int64_t>(bytes) > frame_bytes_max_) break;
    frame_ += batch.records;
    count += batch.count;
    batch.last_sequence = sequence += batch.count;
    log_.raise_order_id(batch.order_id_max);
  }
  return log_.append(frame_, count);
}

void GroupCommitThread::publish() {
  written_.store(log_.written_sequence(), std::memory_order_release);
  synced_.store(log_.synced_sequence(), std::memory_order_release);
}

// From here on every waiter and every later batch gets the error. Nothing is written again: what
// the disk holds is unknown, and a second fdatasync would say that all is well.
void GroupCommitThread::break_journal(const Error& error) {
  failure_ = Error(error.cls(), "the journal failed and takes nothing more: " + error.message() +
                                    "; restart to recover it");
  broken_.store(true, std::memory_order_relaxed);
}

void GroupCommitThread::report_failure() {
  if (failure_ && !std::exchange(failure_reported_, true)) options_.failed(*failure_);
}

bool GroupCommitThread::may_acknowledge() const {
  if (failure_ || !background_) return true;
  return background_->oldest_unsynced_age_us() <= options_.sync_age_max_us;
}

void GroupCommitThread::acknowledge() {
  const bool in_time = may_acknowledge();
  const uint64_t synced = log_.synced_sequence();
  while (!written_batches_.empty()) {
    CommitOutcome outcome;
    outcome.last_sequence = written_batches_.front().last_sequence;
    // Sequence 0: the journal was broken before this batch came into a frame.
    outcome.synced = outcome.last_sequence != 0 && outcome.last_sequence <= synced;
    if (!outcome.synced && !in_time) return;
    // What was synced before a failure is a fact all the same.
    if (failure_ && !outcome.synced) outcome.status = *failure_;
    const Batch batch = std::move(written_batches_.front());
    written_batches_.pop_front();
    batch.done(outcome);
  }
}

void GroupCommitThread::background_synced(const Status& status, uint64_t sequence) {
  {
    const std::lock_guard lock(mutex_);
    if (status) background_sequence_ = sequence;
    if (!status) sync_failure_ = status.error();
  }
  queue_.signal();
}

Status check_options(const WriterOptions& options) {
  const auto invalid = [](const std::string& message) {
    return Error(ErrorClass::kInvalid, message);
  };
  if (options.segment_bytes < kSegmentBytesMin || options.segment_bytes > kSegmentBytesMax) {
    return invalid("journal.segment_bytes must be " + base::format_size(kSegmentBytesMin) +
                   " to " + base::format_size(kSegmentBytesMax));
  }
  if (options.bytes_max < 2 * options.segment_bytes) {
    return invalid("journal.max_bytes must be at least twice journal.segment_bytes, " +
                   base::format_size(2 * options.segment_bytes));
  }
  return {};
}

}  // namespace

Result<std::unique_ptr<GroupCommit>> GroupCommit::start(const WriterOptions& options,
                                                        base::FileSystem& fs,
                                                        base::Registry& metrics) {
  SLUICE_TRY(check_options(options));
  SLUICE_TRY(fs.make_dir(options.dir));
  auto lock = lock_journal(options.dir, fs);
  if (!lock) return lock.error();
  auto commit =
      std::make_unique<GroupCommitThread>(options, fs, std::move(*lock), metrics);
  SLUICE_TRY(commit->open());
  return std::unique_ptr<GroupCommit>(std::move(commit));
}

}  // namespace sluice::journal
