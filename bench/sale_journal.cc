#include "bench/sale_journal.h"

#include <unistd.h>

#include <atomic>
#include <vector>

#include "base/clock.h"
#include "base/file.h"
#include "base/metrics.h"
#include "bench/interrupt.h"
#include "journal/group_commit.h"
#include "journal/record.h"
#include "journal/recovery.h"
#include "shelves/shelf_of.h"

namespace sluice::bench {
namespace {

constexpr uint64_t kBatchPurchases = 16;
constexpr uint32_t kShelves = 64;
constexpr int64_t kOrderEpochMs = 1'704'067'200'000;  // 2024, as the proxy's order ids count
constexpr useconds_t kRoomWaitUs = 200;

class SaleWriter {
 public:
  SaleWriter(const SaleJournalOptions& options, journal::GroupCommit& commit)
      : options_(options), commit_(commit), born_(options.items, 0), sequences_(kShelves, 0) {
    journal::append_field(fields_, "address", "12 Long Lane, Bath");
  }

  Status run() {
    for (uint32_t item = 0; item < options_.items; ++item) {
      journal::Record create = record_of(journal::RecordType::kCreate, item);
      create.quantity = static_cast<int64_t>(options_.purchases) + 1;
      add(create);
      SLUICE_TRY(submit());
    }
    for (uint64_t sold = 0; sold < options_.purchases;) {
      const auto item = static_cast<uint32_t>(sold / kBatchPurchases % options_.items);
      ++sequence_of(item);
      for (uint64_t i = 0; i < kBatchPurchases && sold < options_.purchases; ++i) buy(item, sold++);
      SLUICE_TRY(submit());
    }
    return {};
  }
  bool failed() const { return failed_.load(); }

 private:
  static std::string name_of(uint32_t item) { return "item-" + std::to_string(item); }
  uint64_t& sequence_of(uint32_t item) {
    return sequences_[shelves::shelf_of(name_of(item), kShelves)];
  }
  journal::Record record_of(journal::RecordType type, uint32_t item) {
    if (type == journal::RecordType::kCreate) {
      ++sequence_of(item);
      born_[item] = item + 1;
    }
    item_ = name_of(item);
    journal::Record record;
    record.type = type;
    record.time_ms = start_ms_;
    record.lane_sequence = sequence_of(item);
    record.born = born_[item];
    record.item = item_;
    return record;
  }
  void buy(uint32_t item, uint64_t number) {
    journal::Record record = record_of(journal::RecordType::kBuy, item);
    const std::string user = "u" + std::to_string(number), request = "r" + std::to_string(number);
    record.user = user;
    record.request = request;
    // The layout of the proxy's ids: 41 bits of milliseconds, 10 of proxy.id, 12 of a counter.
    const auto ms = static_cast<uint64_t>(start_ms_ - kOrderEpochMs) + number / 4096;
    record.order_id = ms << 22 | number % 4096;
    record.quantity = 1;
    record.fields = fields_;
    add(record);
  }
  void add(const journal::Record& record) {
    journal::append_record(records_, record);
    order_id_ = record.order_id;
    ++count_;
  }
  // Waits while the journal has no room for more, which bounds the memory too.
  Status submit() {
    const size_t bytes = records_.size();
    while (!commit_.reserve(bytes)) {
      if (failed()) return Error(ErrorClass::kIo, "the journal in " + options_.dir + " failed");
      if (interrupted()) return Error(ErrorClass::kUnavailable, "interrupted");
      ::usleep(kRoomWaitUs);
    }
    commit_.submit(std::move(records_), count_, bytes, order_id_,
                   [this](const journal::CommitOutcome& outcome) {
                     if (!outcome.status) failed_.store(true);
                   });
    records_.clear();
    count_ = 0;
    return {};
  }

  const SaleJournalOptions& options_;
  journal::GroupCommit& commit_;
  const int64_t start_ms_ = base::wall_ms() - 3'600'000;  // an hour ago: ids are not of the future
  std::vector<uint64_t> born_;                            // by item
  std::vector<uint64_t> sequences_;                       // the lane's, by shelf
  std::string item_, fields_, records_;
  uint32_t count_ = 0;
  uint64_t order_id_ = 0;
  std::atomic<bool> failed_{false};
};

}  // namespace

Status write_sale_journal(const SaleJournalOptions& options) {
  base::FileSystem& fs = base::posix_file_system();
  auto recovered = journal::recover(options.dir, fs, [](const journal::Record&) {});
  if (!recovered) return recovered.error();
  journal::WriterOptions writer;
  writer.dir = options.dir;
  writer.shelves = kShelves;
  writer.fsync = journal::FsyncPolicy::kNo;
  base::Registry metrics;
  auto commit = journal::GroupCommit::start(writer, fs, metrics);
  if (!commit) return commit.error();
  SaleWriter sale(options, **commit);
  const Status written = sale.run();
  const Status stopped = (*commit)->stop();  // every completion has come then
  if (!written) return written.error();
  return stopped;
}

}  // namespace sluice::bench
