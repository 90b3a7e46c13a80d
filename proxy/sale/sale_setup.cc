#include "proxy/sale/sale_setup.h"

#include <spdlog/spdlog.h>
#include <unistd.h>

#include <algorithm>
#include <random>

#include "base/clock.h"
#include "base/decimal.h"
#include "journal/lineage.h"
#include "journal/refusal.h"
#include "journal/segment.h"
#include "proxy/sale/lanes.h"
#include "proxy/sale/order_ids.h"
#include "shelves/shelf_of.h"

namespace sluice::proxy::sale {
namespace {

// Another lane in Redis would look empty, and the journal would be replayed into it once more; with
// another number of shelves its items would be elsewhere.
Status check_writer(const Settings& settings, uint64_t proxy_id,
                    const journal::RecoveryReport& report) {
  const std::string& dir = settings.journal.dir;
  if (report.journal_id == 0) return {};
  if (report.proxy_id != proxy_id) {
    return Error(ErrorClass::kRefused, "the journal in " + dir + " was written by proxy.id " +
                                           std::to_string(report.proxy_id) + ", this is proxy.id " +
                                           std::to_string(proxy_id) +
                                           "; set it back, or take another journal.dir");
  }
  if (report.shelves != settings.shelves) {
    return Error(ErrorClass::kRefused,
                 "the journal in " + dir + " was written with sale.shelves = " +
                     std::to_string(report.shelves) + ", now it is " +
                     std::to_string(settings.shelves) + "; set it back");
  }
  return {};
}

// In Redis it stands in a line of words.
std::string host_name() {
  char name[256] = "";
  ::gethostname(name, sizeof name - 1);
  std::string host;
  for (const char c : std::string_view(name)) host += c > ' ' && c < 127 ? c : '?';
  return host.empty() ? "unknown" : host;
}

// As configured; else the folder's own. Whoever leaves it out must not meet another who does, in
// one MySQL: a new folder takes one at random, and the flusher registers it.
uint64_t choose_proxy_id(const Settings& settings, base::FileSystem& files) {
  if (settings.proxy_id) return *settings.proxy_id;
  const auto segments = journal::list_segments(settings.journal.dir, files);
  if (segments && !segments->empty()) return segments->back().header.proxy_id;
  return std::random_device()() % 1024;
}

}  // namespace

SaleSetup::SaleSetup(const Settings& settings, uint64_t proxy_id, base::FileSystem& files,
                     base::Registry& metrics, Fatal fatal)
    : metrics_(metrics), proxy_id_(proxy_id), order_ids_(proxy_id) {
  shared_.lane = std::to_string(proxy_id);
  shared_.shelves = settings.shelves;
  shared_.unmet = settings.shelves;
  shared_.incarnation = random_number();
  shared_.host = host_name();
  shared_.condensed.resize(settings.shelves);
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
  std::unique_ptr<SaleSetup> setup(
      new SaleSetup(settings, choose_proxy_id(settings, files), files, metrics, std::move(fatal)));
  Sequences sequences(settings.shelves);
  const auto report = setup->recover(settings, sequences);
  if (!report) return report.error();
  const int64_t now_ms = base::wall_ms();
  if (!setup->shared_.clock.is_good(now_ms)) {
    return Error(ErrorClass::kRefused, setup->shared_.clock.fault(now_ms));
  }
  SLUICE_TRY(setup->open_journal(settings, metrics));
  for (auto& thread : threads) {
    setup->inboxes_.push_back(std::make_unique<upstream::Inbox>(*thread));
  }
  setup->sale_ = std::make_unique<Sale>(threads, setup->inboxes_, settings.redis, setup->shared_,
                                        flusher);
  for (uint32_t shelf = 0; shelf < settings.shelves; ++shelf) {
    const Known& known = sequences[shelf];
    if (known.lane_sequence == 0) continue;
    setup->sale_->know_shelf(shelf, known.lane_sequence, known.record);
  }
  spdlog::info("journal {} of proxy.id {} in {}: {} records read, the last is {}",
               setup->shared_.journal_id, setup->proxy_id_, settings.journal.dir, report->records,
               report->last_sequence);
  return setup;
}

Result<journal::RecoveryReport> SaleSetup::recover(const Settings& settings,
                                                   Sequences& sequences) {
  const std::string& dir = settings.journal.dir;
  auto report = journal::recover(dir, *shared_.files, [&](const journal::Record& record) {
    sequences[shelves::shelf_of(record.item, settings.shelves)] = {record.lane_sequence,
                                                                   record.sequence};
    shared_.clock.saw(record.time_ms);
  });
  if (!report) return report;
  SLUICE_TRY(check_writer(settings, proxy_id_, *report));
  if (report->torn_bytes > 0) {
    spdlog::warn("journal: a torn tail of {} bytes was cut; it is kept in {}", report->torn_bytes,
                 report->torn_copy);
  }
  if (report->snapshot) {
    shared_.clock.saw(report->snapshot->end_ms);
    const auto& known = report->snapshot->shelves;
    for (size_t shelf = 0; shelf < std::min(known.size(), sequences.size()); ++shelf) {
      uint64_t& last = sequences[shelf].lane_sequence;
      last = std::max(last, known[shelf].last_lane_sequence);
      shared_.condensed[shelf] = known[shelf].condensed;
    }
  }
  order_ids_.raise_above(report->order_id_max);
  return report;
}

Status SaleSetup::open_journal(const Settings& settings, base::Registry& metrics) {
  journal::WriterOptions writing = settings.journal;
  writing.proxy_id = static_cast<uint32_t>(proxy_id_);
  base::parse_decimal(shared_.incarnation, writing.incarnation);
  writing.shelves = settings.shelves;
  writing.failed = [this](const Error& error) { shared_.fatal(error.at("journal")); };
  auto journal = journal::GroupCommit::start(writing, *shared_.files, metrics);
  if (!journal) return journal.error();
  journal_ = *std::move(journal);
  shared_.journal = journal_.get();
  shared_.journal_id = std::to_string(journal_->journal_id());
  auto lanes = Lanes::open(writing.dir, *shared_.files, proxy_id_,
                           [this](const Error& error) { shared_.fatal(error); });
  if (!lanes) return lanes.error();
  lanes_ = *std::move(lanes);
  shared_.lanes = lanes_.get();
  if (!lanes_->peers().empty()) shared_.selling.store(true);
  const auto predecessors = journal::predecessors(writing.dir, *shared_.files);
  if (!predecessors) return predecessors.error();
  for (const uint64_t id : *predecessors) shared_.predecessors += std::to_string(id) + ",";
  auto standings = Standings::open(writing.dir, *shared_.files,
                                   [this](const Error& error) { shared_.fatal(error); });
  if (!standings) return standings.error();
  standings_ = *std::move(standings);
  shared_.standings = standings_.get();
  shared_.veto.set(journal::refusal(writing.dir, *shared_.files));
  return {};
}

void SaleSetup::start() { sale_->start(); }

Status SaleSetup::stop() {
  sale_->stop();
  lanes_->stop();
  standings_->stop();
  return journal_->stop();
}

}  // namespace sluice::proxy::sale
