#include "proxy/sale/sale_setup.h"

#include <spdlog/spdlog.h>

#include "proxy/sale/lanes.h"
#include "proxy/sale/order_ids.h"

namespace sluice::proxy::sale {
namespace {

// Another lane in Redis would look empty, and the journal would be replayed into it once more.
Error not_its_journal(const std::string& dir, uint64_t writer, uint64_t proxy_id) {
  return Error(ErrorClass::kRefused, "the journal in " + dir + " was written by proxy.id " +
                                         std::to_string(writer) + ", this is proxy.id " +
                                         std::to_string(proxy_id) +
                                         "; set it back, or take another journal.dir");
}

}  // namespace

SaleSetup::SaleSetup(const Settings& settings, base::FileSystem& files, base::Registry& metrics,
                     Fatal fatal)
    : metrics_(metrics), order_ids_(settings.proxy_id) {
  shared_.lane = std::to_string(settings.proxy_id);
  shared_.journal_dir = settings.journal.dir;
  shared_.files = &files;
  shared_.order_ids = &order_ids_;
  shared_.metrics = &metrics_;
  shared_.scripts = load_scripts();
  shared_.limits = settings.limits;
  shared_.slow_log.configure(settings.slow_log_us, settings.slow_log_entries);
  shared_.fatal = std::move(fatal);
}

SaleSetup::~SaleSetup() = default;

Result<std::unique_ptr<SaleSetup>> SaleSetup::open(
    const Settings& settings, base::FileSystem& files,
    std::vector<std::unique_ptr<upstream::IoThread>>& threads, base::Registry& metrics,
    FlusherPort& flusher, Fatal fatal) {
  std::unique_ptr<SaleSetup> setup(new SaleSetup(settings, files, metrics, std::move(fatal)));
  Batches batches;
  const auto report = setup->recover(settings, batches);
  if (!report) return report.error();
  SLUICE_TRY(setup->open_journal(settings, metrics));
  for (auto& thread : threads) {
    setup->inboxes_.push_back(std::make_unique<upstream::Inbox>(*thread));
  }
  setup->sale_ = std::make_unique<Sale>(threads, setup->inboxes_, settings.redis, setup->shared_,
                                        flusher);
  for (const auto& [name, batch] : batches) {
    setup->sale_->know_item(name, batch, report->last_sequence);
  }
  spdlog::info("journal {} in {}: {} records read, the last is {}; {} items",
               setup->shared_.journal_id, settings.journal.dir, report->records,
               report->last_sequence, batches.size());
  return setup;
}

Result<journal::RecoveryReport> SaleSetup::recover(const Settings& settings, Batches& batches) {
  const std::string& dir = settings.journal.dir;
  uint64_t order_id = 0;  // one of the journal's
  auto report = journal::recover(dir, *shared_.files, [&](const journal::Record& record) {
    batches[std::string(record.item)] = record.lane_sequence;
    if (record.type == journal::RecordType::kBuy) order_id = record.order_id;
  });
  if (!report) return report;
  if (order_id == 0 && report->snapshot) order_id = report->snapshot->order_id_max;
  if (order_id != 0 && OrderIds::proxy_of(order_id) != settings.proxy_id) {
    return not_its_journal(dir, OrderIds::proxy_of(order_id), settings.proxy_id);
  }
  if (report->torn_bytes > 0) {
    spdlog::warn("journal: a torn tail of {} bytes was cut; it is kept in {}", report->torn_bytes,
                 report->torn_copy);
  }
  if (report->snapshot) {
    // What the tail says of an item is younger than what the snapshot says.
    for (const auto& [name, item] : report->snapshot->items) {
      batches.try_emplace(name, item.last_lane_sequence);
    }
    // Of an item that was retired, the journal had every record up to this time (gate.cc).
    if (report->snapshot->retired_ms != 0) {
      shared_.journal_begins_ms = report->snapshot->retired_ms + 1;
    }
  }
  order_ids_.raise_above(report->order_id_max);
  return report;
}

Status SaleSetup::open_journal(const Settings& settings, base::Registry& metrics) {
  journal::WriterOptions writing = settings.journal;
  writing.failed = [this](const Error& error) { shared_.fatal(error.at("journal")); };
  auto journal = journal::GroupCommit::start(writing, *shared_.files, metrics);
  if (!journal) return journal.error();
  journal_ = *std::move(journal);
  shared_.journal = journal_.get();
  shared_.journal_id = std::to_string(journal_->journal_id());
  auto lanes = Lanes::open(writing.dir, *shared_.files, settings.proxy_id);
  if (!lanes) return lanes.error();
  lanes_ = *std::move(lanes);
  shared_.lanes = lanes_.get();
  if (!lanes_->peers().empty()) shared_.selling.store(true);
  return {};
}

void SaleSetup::start() { sale_->start(); }

Status SaleSetup::stop() {
  sale_->stop();
  return journal_->stop();
}

}  // namespace sluice::proxy::sale
