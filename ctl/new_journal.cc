#include "ctl/new_journal.h"

#include <algorithm>
#include <functional>
#include <future>
#include <memory>
#include <optional>
#include <random>

#include "base/clock.h"
#include "base/metrics.h"
#include "journal/fingerprint.h"
#include "journal/group_commit.h"
#include "journal/reader.h"
#include "journal/recovery.h"
#include "shelves/shelf_of.h"

namespace sluice::ctl {
namespace {

using journal::Record;
using journal::RecordType;

// Of one shelf: they share a lane sequence, and with it a chunk of a replay.
constexpr size_t kBatchRecords = 500;
constexpr size_t kBatchBytes = 128 << 10;

uint64_t random_number() {
  std::random_device random;
  return (uint64_t{random()} << 32) | random();
}

class Writer {
 public:
  Writer(std::string dir, uint32_t proxy_id, const Evidence& evidence)
      : dir_(std::move(dir)), proxy_id_(proxy_id), evidence_(evidence), batches_(evidence.shelves) {
    journal_.incarnation = random_number();
    // What is born here is born above all that the lanes have given out.
    const auto now = static_cast<uint64_t>(base::wall_ms() - journal::kIdEpochMs);
    next_ms_ = std::max(now, (evidence.order_id_max >> 22) + 1);
  }

  Result<NewJournal> run() {
    SLUICE_TRY(open());
    in_mysql_ = true;
    SLUICE_TRY(write_phase());
    const uint64_t drained = last_sequence_;
    in_mysql_ = false;
    SLUICE_TRY(write_phase());
    journal_.journal_id = commit_->journal_id();
    SLUICE_TRY(commit_->stop());
    commit_.reset();
    journal_.position = drained + 1;
    journal_.records = last_sequence_;
    const uint64_t positions[] = {journal_.position};
    const auto fingerprint = journal::fingerprints(dir_, base::posix_file_system(), positions);
    if (!fingerprint) return fingerprint.error();
    journal_.fingerprint = fingerprint->front();
    return journal_;
  }

 private:
  struct Batch {
    uint64_t lane_sequence = 0;  // of the last one written
    std::string records;
    uint32_t count = 0;
  };

  Status open() {
    base::FileSystem& fs = base::posix_file_system();
    auto recovered = journal::recover(dir_, fs, [](const Record&) {});
    if (!recovered) return recovered.error();
    if (recovered->journal_id != 0) {
      return Error(ErrorClass::kExists, dir_ + " holds a journal already");
    }
    journal::WriterOptions options;
    options.dir = dir_;
    options.proxy_id = proxy_id_;
    options.shelves = evidence_.shelves;
    options.incarnation = journal_.incarnation;
    options.fsync = journal::FsyncPolicy::kNo;  // stop() syncs all
    options.bytes_max = INT64_MAX;
    auto commit = journal::GroupCommit::start(options, fs, metrics_);
    if (!commit) return commit.error();
    commit_ = std::move(*commit);
    return {};
  }

  Status write_phase() {
    if (in_mysql_) {
      SLUICE_TRY(write_each([this](const ProvenItem& item) { return write_creation(item); }));
      // A replay takes a lane sequence whole: creations must not share one with what waits.
      SLUICE_TRY(submit_all());
    }
    SLUICE_TRY(write_each([this](const ProvenItem& item) { return write_item(item); }));
    return submit_all();
  }

  Status submit_all() {
    for (Batch& batch : batches_) SLUICE_TRY(submit(batch));
    return {};
  }

  Status write_each(const std::function<Status(const ProvenItem&)>& write) {
    for (const auto& [key, item] : evidence_.items) {
      name_ = std::get<0>(key);
      born_ = std::get<1>(key);
      if (born_ == 0) born_ = born_here(name_, item);
      SLUICE_TRY(write(item));
    }
    return {};
  }

  // The same in both phases. Below all its orders, by time and counter: else they would pass for
  // those of an item that had the name before.
  uint64_t born_here(const std::string& name, const ProvenItem& item) {
    uint64_t& id = born_ids_[name];
    if (id != 0) return id;
    uint64_t place = next_ms_++ << 12;
    for (const auto& [order_id, order] : item.orders) place = std::min(place, place_of(order_id));
    if (!item.orders.empty()) --place;
    return id = place >> 12 << 22 | uint64_t{proxy_id_} << 12 | (place & 0xfff);
  }
  // ms << 12 | counter
  static uint64_t place_of(uint64_t id) { return id >> 22 << 12 | (id & 0xfff); }

  Status write_item(const ProvenItem& item) {
    SLUICE_TRY(write_stock(item));
    for (const auto& [id, order] : item.orders) SLUICE_TRY(write_order(id, order));
    for (const auto& [id, order] : item.changes) SLUICE_TRY(write_change(id, order));
    if (in_mysql_) return {};
    if (item.settings_ms > item.created_ms) {
      Record record;
      record.type = RecordType::kChange;
      record.time_ms = item.settings_ms;
      record.limit = item.limit;
      record.start_ms = item.start_ms;
      record.end_ms = item.end_ms;
      record.hold_ms = item.hold_ms;
      SLUICE_TRY(add(record));
    }
    if (item.state_ms != 0 && (item.is_closed || item.state_ms > item.created_ms)) {
      Record record;
      record.type = item.is_closed ? RecordType::kClose : RecordType::kReopen;
      record.time_ms = item.state_ms;
      SLUICE_TRY(add(record));
    }
    if (!item.is_deleted) return {};
    Record record;
    record.type = RecordType::kDelete;
    record.quantity = item.is_deleted_by_last ? 1 : 0;
    record.time_ms = base::wall_ms();
    return add(record);
  }

  // What MySQL has of what was given, as far as its row tells.
  struct InMysql {
    bool creation = false;
    size_t restocks = 0;  // the first of them
    int64_t unnamed = 0;  // what else was given, that nobody knows by its request
  };
  static InMysql in_mysql(const ProvenItem& item) {
    if (!item.has_row) return {};
    // Another proxy's journal had the creation, perhaps, and was lost before that was drained.
    const bool has_creation = !item.is_created || item.row_is_defined;
    int64_t given = item.is_created && has_creation ? item.initial : 0;
    std::optional<InMysql> found;
    for (size_t count = 0;; ++count) {
      if (given == item.mysql_given) found = {has_creation, count, 0};
      if (count == item.restocks.size()) break;
      given += item.restocks[count].quantity;
    }
    if (found) return *found;
    return {has_creation, item.restocks.size(), std::min(item.mysql_given, item.given()) - given};
  }

  Status write_creation(const ProvenItem& item) {
    if (!item.is_created) return {};
    if (!in_mysql(item).creation) {
      MysqlItem& row = journal_.rows[name_];
      row.stock = item.initial;
      row.limit = item.limit;
      row.start_ms = item.start_ms;
      row.end_ms = item.end_ms;
      row.hold_ms = item.hold_ms;
      row.settings_ms = std::max(item.settings_ms, item.created_ms);
      row.state_ms = item.created_ms;
    }
    Record record;
    record.type = RecordType::kCreate;
    record.quantity = item.initial;
    record.time_ms = item.created_ms;
    record.limit = item.limit;
    record.start_ms = item.start_ms;
    record.end_ms = item.end_ms;
    record.hold_ms = item.hold_ms;
    return add(record);
  }

  Status write_stock(const ProvenItem& item) {
    const InMysql drained = in_mysql(item);
    int64_t so_far = item.is_created ? item.initial : 0;
    std::set<std::string> requests = item.requests;
    for (size_t i = 0; i < item.restocks.size(); ++i) {
      const ProvenItem::Restock& restock = item.restocks[i];
      requests.erase(restock.request);
      if ((i < drained.restocks) == in_mysql_) {
        SLUICE_TRY(add_restock(restock.quantity, restock.request, restock.time_ms));
      }
      so_far += restock.quantity;
    }
    // What is left has no request: in MySQL, and then not.
    const int64_t rest = in_mysql_ ? drained.unnamed : item.given() - so_far - drained.unnamed;
    if (rest != 0) SLUICE_TRY(add_restock(rest, "", base::wall_ms()));
    if (in_mysql_) return {};
    // What they gave is in the rest; they must not give it again.
    for (const std::string& request : requests) {
      SLUICE_TRY(add_restock(0, request, base::wall_ms()));
    }
    return {};
  }

  Status add_restock(int64_t quantity, const std::string& request, int64_t time_ms) {
    Record record;
    record.type = RecordType::kRestock;
    record.quantity = quantity;
    record.request = request;
    record.time_ms = time_ms;
    return add(record);
  }

  Status write_order(uint64_t id, const ProvenOrder& order) {
    if (order.in_mysql == in_mysql_ && !is_change_alone(order)) {
      Record record = record_of(RecordType::kBuy, id, order);
      record.time_ms = order.time_ms != 0 ? order.time_ms : journal::time_of_id(id);
      record.request = order.request;
      record.fields = order.fields;
      SLUICE_TRY(add(record));
      if (!in_mysql_) {
        ++journal_.to_drain_orders;
        if (!order.in_folder) ++journal_.without_fields;
      }
    }
    return write_change(id, order);
  }

  // Of which nobody knows more than what became of it.
  static bool is_change_alone(const ProvenOrder& order) {
    return !order.in_folder && !order.in_redis && !order.in_mysql;
  }

  // MySQL has it if its status there has led so far.
  Status write_change(uint64_t id, const ProvenOrder& order) {
    using orders::OrderStatus;
    if (order.status == OrderStatus::kPlaced) return {};
    const bool is_in_mysql = !leads_to(order.mysql_status, order.status);
    if (is_in_mysql != in_mysql_) return {};
    Record record = record_of(type_of(order), id, order);
    record.time_ms = order.changed_ms != 0 ? order.changed_ms : base::wall_ms();
    record.request = order.status_request;
    return add(record);
  }

  // A cancel stands for a refund, too: without its payment in this journal it is none.
  static RecordType type_of(const ProvenOrder& order) {
    switch (order.status) {
      case orders::OrderStatus::kPaid:
        return RecordType::kPay;
      case orders::OrderStatus::kExpired:
        return RecordType::kExpire;
      default:
        return RecordType::kCancel;
    }
  }

  static Record record_of(RecordType type, uint64_t id, const ProvenOrder& order) {
    Record record;
    record.type = type;
    record.user = order.user;
    record.order_id = id;
    record.quantity = order.quantity;
    return record;
  }

  Status add(Record record) {
    Batch& batch = batches_[shelves::shelf_of(name_, evidence_.shelves)];
    if (batch.count == kBatchRecords || batch.records.size() > kBatchBytes) {
      SLUICE_TRY(submit(batch));
    }
    if (batch.count == 0) ++batch.lane_sequence;
    record.item = name_;
    record.born = born_;
    record.lane_sequence = batch.lane_sequence;
    journal::append_record(batch.records, record);
    ++batch.count;
    return {};
  }

  // One after the other: this is not the sale.
  Status submit(Batch& batch) {
    if (batch.count == 0) return {};
    std::promise<journal::CommitOutcome> done;
    commit_->submit(std::move(batch.records), std::exchange(batch.count, 0), 0, order_id_max(),
                    [&done](const journal::CommitOutcome& outcome) { done.set_value(outcome); });
    batch.records.clear();
    const journal::CommitOutcome outcome = done.get_future().get();
    if (!outcome.status) return outcome.status;
    last_sequence_ = outcome.last_sequence;
    return {};
  }

  // As an id of this proxy, above which it goes on.
  uint64_t order_id_max() const { return (next_ms_ << 22) | uint64_t{proxy_id_} << 12; }

  const std::string dir_;
  const uint32_t proxy_id_;
  const Evidence& evidence_;
  NewJournal journal_;
  base::Registry metrics_;
  std::unique_ptr<journal::GroupCommit> commit_;
  std::vector<Batch> batches_;  // by shelf
  std::map<std::string, uint64_t> born_ids_;
  uint64_t next_ms_ = 0;
  uint64_t last_sequence_ = 0;
  bool in_mysql_ = false;  // the phase
  std::string name_;       // the item that is being written
  uint64_t born_ = 0;
};

}  // namespace

Result<NewJournal> write_journal(const std::string& dir, uint32_t proxy_id,
                                 const Evidence& evidence) {
  return Writer(dir, proxy_id, evidence).run();
}

}  // namespace sluice::ctl
