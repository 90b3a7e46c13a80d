#include "proxy/sale_setup.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <unordered_map>

#include "journal/recovery.h"

namespace sluice::proxy {
namespace {

journal::FsyncPolicy fsync_policy(const std::string& text) {
  if (text == "always") return journal::FsyncPolicy::kAlways;
  return text == "everysec" ? journal::FsyncPolicy::kEverySecond : journal::FsyncPolicy::kNo;
}

journal::WriterOptions writer_options(const Options& options) {
  journal::WriterOptions writer;
  writer.dir = options.journal_dir;
  writer.fsync = fsync_policy(options.journal_fsync);
  writer.segment_bytes = options.journal_segment_bytes;
  writer.bytes_max = options.journal_max_bytes;
  return writer;
}

// Another lane in Redis would look empty, and the journal would be replayed into it once more.
Error not_its_journal(const std::string& dir, uint64_t writer, uint64_t proxy_id) {
  return Error(ErrorClass::kRefused, "the journal in " + dir + " was written by proxy.id " +
                                         std::to_string(writer) + ", this is proxy.id " +
                                         std::to_string(proxy_id) +
                                         "; set it back, or take another journal.dir");
}

// What the tail says of an item is younger than what the snapshot says.
void take_snapshot(const journal::Snapshot& snapshot,
                   std::unordered_map<std::string, uint64_t>& batches) {
  for (const auto& [name, item] : snapshot.items) batches.try_emplace(name, item.last_batch);
}

}  // namespace

SaleSetup::SaleSetup(const Options& options, base::Registry& metrics, sale::Fatal fatal)
    : metrics_(metrics),
      order_ids_(static_cast<uint64_t>(options.proxy_id)),
      flusher_({options.flusher_admin, options.flusher_admin_token_file, ""},
               [this](uint64_t sequence) { shared_.drained_sequence.store(sequence); }) {
  shared_.lane = std::to_string(options.proxy_id);
  shared_.journal_dir = options.journal_dir;
  shared_.files = &base::posix_file_system();
  shared_.order_ids = &order_ids_;
  shared_.metrics = &metrics_;
  shared_.scripts = sale::load_scripts();
  shared_.limits.batch_operations = static_cast<size_t>(options.batch_purchases_max);
  // A batch must fit into one frame, and a frame is at most a quarter of a segment.
  shared_.limits.batch_bytes =
      static_cast<size_t>(std::min<int64_t>(256 << 10, options.journal_segment_bytes / 8));
  shared_.limits.queued_operations = static_cast<size_t>(options.purchases_in_flight_max);
  shared_.limits.items = static_cast<size_t>(options.items_max);
  shared_.slow_log.configure(options.slow_log_us, static_cast<size_t>(options.slow_log_entries));
  shared_.limits.unknown_after_us = options.redis_timeout_us;
  shared_.limits.retain_ms = options.journal_retain_us / 1000;
  shared_.limits.sold_out_lease_us = options.sold_out_lease_us;
  shared_.limits.sold_out_bytes = static_cast<size_t>(options.sold_out_bytes);
  shared_.fatal = std::move(fatal);
}

SaleSetup::~SaleSetup() = default;

Result<std::unique_ptr<SaleSetup>> SaleSetup::open(
    const Options& options, std::vector<std::unique_ptr<upstream::IoThread>>& threads,
    base::Registry& metrics, sale::Fatal fatal) {
  std::unique_ptr<SaleSetup> setup(new SaleSetup(options, metrics, std::move(fatal)));
  SLUICE_TRY(setup->recover_journal(options, metrics));
  for (auto& thread : threads) {
    setup->inboxes_.push_back(std::make_unique<upstream::Inbox>(*thread));
  }
  setup->sale_ = std::make_unique<sale::Sale>(threads, setup->inboxes_, options.redis,
                                              setup->shared_, setup->flusher_);
  for (const KnownItem& item : setup->known_items_) {
    setup->sale_->know_item(item.name, item.batch, setup->recovered_sequence_);
  }
  setup->known_items_.clear();
  return setup;
}

Status SaleSetup::recover_journal(const Options& options, base::Registry& metrics) {
  std::unordered_map<std::string, uint64_t> batches;
  const auto proxy_id = static_cast<uint64_t>(options.proxy_id);
  uint64_t order_id = 0;  // one of the journal's
  auto report =
      journal::recover(options.journal_dir, *shared_.files, [&](const journal::Record& record) {
        batches[std::string(record.item)] = record.batch;
        if (record.type == journal::RecordType::kBuy) order_id = record.order_id;
      });
  if (!report) return report.error();
  if (order_id == 0 && report->snapshot) order_id = report->snapshot->order_id_max;
  if (order_id != 0 && sale::OrderIds::proxy_of(order_id) != proxy_id) {
    return not_its_journal(options.journal_dir, sale::OrderIds::proxy_of(order_id), proxy_id);
  }
  if (report->torn_bytes > 0) {
    spdlog::warn("journal: a torn tail of {} bytes was cut; it is kept in {}", report->torn_bytes,
                 report->torn_copy);
  }
  if (report->snapshot) {
    take_snapshot(*report->snapshot, batches);
    // Of an item that was retired, the journal had every record up to this time (gate.cc).
    if (report->snapshot->retired_ms != 0) {
      shared_.journal_begins_ms = report->snapshot->retired_ms + 1;
    }
  }
  for (auto& [name, batch] : batches) known_items_.push_back({name, batch});
  recovered_sequence_ = report->last_sequence;
  order_ids_.raise_above(report->order_id_max);
  journal::WriterOptions writing = writer_options(options);
  writing.failed = [this](const Error& error) { shared_.fatal(error.at("journal")); };
  auto journal = journal::GroupCommit::start(writing, *shared_.files, metrics);
  if (!journal) return journal.error();
  journal_ = *std::move(journal);
  shared_.journal = journal_.get();
  shared_.journal_id = std::to_string(journal_->journal_id());
  auto lanes = sale::Lanes::open(options.journal_dir, *shared_.files, proxy_id);
  if (!lanes) return lanes.error();
  lanes_ = *std::move(lanes);
  shared_.lanes = lanes_.get();
  if (!lanes_->peers().empty()) shared_.selling.store(true);
  spdlog::info("journal {} in {}: {} records read, the last is {}; {} items", shared_.journal_id,
               options.journal_dir, report->records, report->last_sequence, known_items_.size());
  return {};
}

void SaleSetup::start() {
  flusher_.start(shared_.journal_id);
  sale_->start();
}

Status SaleSetup::stop() {
  sale_->stop();
  const Status stopped = journal_->stop();
  flusher_.stop();
  return stopped;
}

}  // namespace sluice::proxy
