#include "workload.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "base/metrics.h"
#include "journal/compactor.h"
#include "journal/reader.h"
#include "journal/recovery.h"

namespace sluice::crash {
namespace {

using journal::CommitOutcome;
using journal::Record;
using journal::RecordType;

constexpr int kLanes = 2;
// Zeros are written ahead twice in each as a whole, and once as far as the segment goes.
constexpr int64_t kSegmentBytes = int64_t{160} << 10;
constexpr int kBatchesOfItem = 30;   // CREATE, purchases, CLOSE
constexpr int kUnansweredMax = 3;    // batches of one submitter
constexpr int64_t kRetainMs = 1000;  // an item is retired ten batches after its CLOSE
constexpr int64_t kRecordStepMs = 100;
constexpr int64_t kPassStepMs = 1'000'000;  // a segment is deleted by the pass after it was drained

}  // namespace

std::string encoded(Record record, bool with_fields) {
  if (!with_fields) record.fields = {};
  std::string bytes;
  append_record(bytes, record);
  return bytes;
}

journal::WriterOptions small_segments(journal::FsyncPolicy policy) {
  journal::WriterOptions options;
  options.dir = kDir;
  options.fsync = policy;
  options.segment_bytes = journal::kSegmentBytesMin;
  options.free_bytes_min = 0;
  options.sync_interval_us = 3'000;
  return options;
}

void Workload::submit_all(SimFileSystem& fs, journal::GroupCommit& commit, int run, int lane,
                          int batches) {
  std::mutex mutex;
  std::condition_variable changed;
  int unanswered = 0;
  for (int n = 0; n < batches; ++n) {
    const std::string item =
        "item" + std::to_string((run * batches + n) / kBatchesOfItem * kLanes + lane);
    const int place = (run * batches + n) % kBatchesOfItem;
    std::vector<std::string> records;
    uint64_t order_id = 0;
    std::unique_lock numbers(mutex_);
    const std::string fields = [] {
      std::string bytes;
      journal::append_field(bytes, "note", std::string(300, 'x'));
      return bytes;
    }();
    for (int r = 0; r <= n % 4; ++r) {
      const uint64_t tick = ++clock_;
      const std::string user = "user" + std::to_string(tick);
      Record record;
      record.type = place == 0                    ? RecordType::kCreate
                    : place == kBatchesOfItem - 1 ? RecordType::kClose
                                                  : RecordType::kBuy;
      record.time_ms = 1'700'000'000'000 + static_cast<int64_t>(tick) * kRecordStepMs;
      record.lane_sequence = static_cast<uint64_t>(place) + 1;
      record.item = item;
      record.quantity = place == 0 ? 1'000'000 : 1;
      if (record.type == RecordType::kBuy) {
        record.user = user;
        record.request = "r";
        record.order_id = order_id = tick;
        record.fields = fields;
      } else if (record.type == RecordType::kClose) {
        record.quantity = 0;
      }
      records.push_back(encoded(record, true));
      if (record.type != RecordType::kBuy) break;
    }
    std::string bytes;
    for (const std::string& record : records) bytes += record;
    const auto count = static_cast<uint32_t>(records.size());
    numbers.unlock();
    {
      std::unique_lock lock(mutex);
      changed.wait(lock, [&] { return unanswered < kUnansweredMax; });
      ++unanswered;
    }
    commit.submit(bytes, count, 0, order_id, [&, records, order_id](const CommitOutcome& outcome) {
      if (outcome.status) {
        const std::lock_guard lock(mutex_);
        uint64_t sequence = outcome.last_sequence - records.size();
        for (const std::string& record : records) submitted_.records[++sequence] = record;
        submitted_.batch_ends.insert(sequence);
        submitted_.order_ids[sequence] = order_id;
        fs.note(outcome.synced ? EventKind::kSynced : EventKind::kAcknowledged, sequence);
      }
      const std::lock_guard lock(mutex);
      --unanswered;
      changed.notify_all();
    });
  }
  std::unique_lock lock(mutex);
  changed.wait(lock, [&] { return unanswered == 0; });
}

// Reads what there is, and now and then compacts what it has read.
std::string Workload::follow(SimFileSystem& fs, journal::GroupCommit& commit,
                             const std::atomic<int>& busy) {
  auto reader = journal::Reader::open(kDir, fs, position_);
  if (!reader) return reader.error().message();
  journal::Compactor compactor(kDir, fs);
  for (bool last = false; !last;) {
    last = busy == 0;
    fs.note(EventKind::kSynced, commit.synced_sequence());
    for (;;) {
      auto group = (*reader)->next();
      if (!group) return group.error().message();
      if (!*group) break;
      position_ = (*group)->end_sequence;
      fs.note(EventKind::kHandedOut, position_ - 1);
    }
    auto report = compactor.pass(position_, base::wall_ms() + ++pass_ * kPassStepMs, kRetainMs, 2);
    if (!report) return report.error().message();
    std::this_thread::sleep_for(std::chrono::microseconds(300));
  }
  return "";
}

std::string Workload::run(SimFileSystem& fs, int runs, int batches) {
  for (int run = 0; run < runs; ++run) {
    auto recovered = journal::recover(kDir, fs, [](const Record&) {});
    if (!recovered) return recovered.error().message();
    base::Registry metrics;
    journal::WriterOptions options = small_segments(policy_);
    options.segment_bytes = kSegmentBytes;
    auto commit = journal::GroupCommit::start(options, fs, metrics);
    if (!commit) return commit.error().message();
    std::atomic<int> busy = kLanes;
    std::vector<std::thread> submitters;
    for (int lane = 0; lane < kLanes; ++lane) {
      submitters.emplace_back([&, run, lane] {
        submit_all(fs, **commit, run, lane, batches);
        --busy;
      });
    }
    const std::string problem = follow(fs, **commit, busy);
    for (std::thread& submitter : submitters) submitter.join();
    if (!problem.empty()) return problem;
    if (Status stopped = (*commit)->stop(); !stopped) return stopped.error().message();
    fs.note(EventKind::kSynced, (*commit)->synced_sequence());
  }
  uint64_t highest = 0;
  for (auto& [sequence, order_id] : submitted_.order_ids) {
    order_id = highest = std::max(highest, order_id);
  }
  return "";
}

}  // namespace sluice::crash
