#include "ctl/journal_totals.h"

#include <algorithm>
#include <chrono>
#include <thread>

#include "base/clock.h"
#include "base/file.h"
#include "journal/examine.h"
#include "orders/partition.h"
#include "shelves/shelf_of.h"

namespace sluice::ctl {
namespace {

using journal::Record;
using journal::RecordType;

constexpr auto kPollInterval = std::chrono::milliseconds(5);

void add(Sales& sales, const Record& record) {
  const bool gives = record.type == RecordType::kCreate || record.type == RecordType::kRestock;
  if (gives) sales.given += record.quantity;
  add_order(sales, record);
}

// Of several lanes the later word counts.
void define(BornItem& item, uint32_t lane, const Record& record) {
  if (record.type == RecordType::kCreate) {
    item.created = true;
    item.created_by = lane;
    item.created_ms = record.time_ms;
    item.initial = record.quantity;
  }
  if (journal::has_settings(record.type) && record.time_ms >= item.settings_ms) {
    item.limit = record.limit;
    item.start_ms = record.start_ms;
    item.end_ms = record.end_ms;
    item.hold_ms = record.hold_ms;
    item.settings_ms = record.time_ms;
  }
  item.deleted |= record.type == RecordType::kDelete;
  const bool state = record.type == RecordType::kClose || record.type == RecordType::kReopen;
  if (!state || record.time_ms < item.state_ms) return;
  item.open = record.type == RecordType::kReopen;
  item.state_ms = record.time_ms;
}

Status check_shelves(const std::vector<JournalSource>& sources,
                     const std::vector<JournalFollower>& journals) {
  const auto text = [&](size_t i) {
    return sources[i].dir + " (" + std::to_string(journals[i].shelves()) + ")";
  };
  for (size_t i = 1; i < journals.size(); ++i) {
    if (journals[i].shelves() == journals[0].shelves()) continue;
    return Error(ErrorClass::kInvalid, "the journals have different numbers of shelves: " +
                                           text(0) + ", " + text(i) +
                                           "; give the files of one sale");
  }
  return {};
}

Status check_positions(const std::vector<uint64_t>& positions, const JournalSource& source,
                       const journal::JournalExtent& extent) {
  const auto [lowest, highest] = std::minmax_element(positions.begin(), positions.end());
  if (*lowest < extent.first_sequence) {
    return Error(ErrorClass::kCorrupt,
                 source.dir + ": MySQL has its records below " + std::to_string(*lowest) +
                     ", but the oldest one left is " + std::to_string(extent.first_sequence) +
                     "; bring back the missing segments, or check that mysql.database is the one "
                     "that this journal drains into");
  }
  if (*highest > extent.last_sequence + 1) {
    // Damage in the newest segment looks like its end to who only reads on.
    const auto examined =
        journal::examine(source.dir, base::posix_file_system(), [](const Record&) {});
    if (!examined) return examined.error();
    return Error(ErrorClass::kCorrupt,
                 source.dir + ": MySQL has its records below " + std::to_string(*highest) +
                     ", but the newest one is " + std::to_string(extent.last_sequence) +
                     "; the folder looks older than the database: bring back the newest one");
  }
  return {};
}

}  // namespace

Result<JournalFollower> JournalFollower::open(const JournalSource& source,
                                              const Checkpoints& checkpoints) {
  auto& fs = base::posix_file_system();
  const auto extent = journal::extent(source.dir, fs);
  if (!extent) return extent.error();
  const auto found = checkpoints.find(extent->journal_id);
  JournalFollower follower;
  follower.lane_ = source.lane;
  follower.id_ = extent->journal_id;
  follower.positions_ = found != checkpoints.end() ? found->second : std::vector<uint64_t>{1};
  SLUICE_TRY(check_positions(follower.positions_, source, *extent));
  follower.lane_sequences_.resize(extent->shelves);
  auto history = journal::History::open(source.dir, fs);
  if (!history) return history.error();
  follower.history_ = std::move(*history);
  return follower;
}

Result<uint64_t> JournalFollower::read(const Visitor& visit) {
  const auto writers = static_cast<uint32_t>(positions_.size());
  for (uint64_t visited = 0;;) {
    auto group = history_->next();
    if (!group) return group.error();
    if (!*group) return visited;
    for (const Record& record : (*group)->records) {
      lane_sequences_[shelves::shelf_of(record.item, shelves())] = record.lane_sequence;
      visit(record, record.sequence < positions_[orders::writer_of(record, writers)]);
    }
    visited += (*group)->records.size();
  }
}

// What retired items left out of the snapshot counts as visited.
uint64_t JournalFollower::lane_sequence(uint32_t shelf) const {
  return std::max(lane_sequences_[shelf], history_->shelf(shelf).last_lane_sequence);
}

int64_t JournalFollower::retired_ms(uint32_t shelf) const {
  return history_->shelf(shelf).condensed == 0 ? 0 : history_->retired_ms();
}

Status visit_all(const std::vector<JournalSource>& sources,
                 const std::function<void(const Record&)>& visit) {
  for (const JournalSource& source : sources) {
    const auto history = journal::History::open(source.dir, base::posix_file_system());
    if (!history) return history.error();
    while (true) {
      const auto group = (*history)->next();
      if (!group) return group.error();
      if (!*group) break;
      for (const Record& record : (*group)->records) visit(record);
    }
  }
  return {};
}

Status visit_journals(const std::vector<JournalSource>& sources, const Checkpoints& checkpoints,
                      const JournalFollower::Visitor& visit) {
  for (const JournalSource& source : sources) {
    auto journal = JournalFollower::open(source, checkpoints);
    if (!journal) return journal.error();
    if (auto visited = journal->read(visit); !visited) return visited.error();
  }
  return {};
}

Status visit_segments(const std::vector<JournalSource>& sources,
                      const std::function<void(const Record&)>& visit) {
  auto& fs = base::posix_file_system();
  for (const JournalSource& source : sources) {
    const auto extent = journal::extent(source.dir, fs);
    if (!extent) return extent.error();
    const auto reader = journal::Reader::open(source.dir, fs, extent->first_sequence);
    if (!reader) return reader.error();
    while (true) {
      const auto group = (*reader)->next();
      if (!group) return group.error();
      if (!*group) break;
      for (const Record& record : (*group)->records) visit(record);
    }
  }
  return {};
}

Result<JournalTotals> JournalTotals::open(const std::vector<JournalSource>& sources,
                                          const Checkpoints& checkpoints, ItemFilter filter) {
  std::vector<JournalFollower> journals;
  for (const JournalSource& source : sources) {
    auto journal = JournalFollower::open(source, checkpoints);
    if (!journal) return journal.error();
    journals.push_back(std::move(*journal));
  }
  SLUICE_TRY(check_shelves(sources, journals));
  return JournalTotals(std::move(journals), std::move(filter));
}

Status JournalTotals::read() {
  for (JournalFollower& journal : journals_) {
    const auto visited = journal.read([&](const Record& record, bool in_mysql) {
      if (filter_.empty() || filter_.contains(record.item)) count(journal.lane(), record, in_mysql);
    });
    if (!visited) return visited.error();
  }
  return {};
}

void JournalTotals::count(uint32_t lane, const Record& record, bool in_mysql) {
  auto found = items_.find(record.item);
  if (found == items_.end()) found = items_.try_emplace(std::string(record.item)).first;
  JournalItem& item = found->second;
  // Ids of all proxies rise with time, and so does what an item is born as.
  if (record.born > item.born) {
    static_cast<BornItem&>(item) = BornItem();
    item.born = record.born;
  }
  if (record.born == item.born) {
    define(item, lane, record);
    add(item.sales, record);
    item.last_lane_sequence[lane] = record.lane_sequence;
  }
  add(item.all, record);
  if (in_mysql) {
    add(item.drained, record);
  } else {
    ++item.waiting;
  }
}

Status JournalTotals::follow(const std::map<std::string, Lanes, std::less<>>& targets,
                             int64_t within_us) {
  const int64_t deadline_us = base::monotonic_us() + within_us;
  const auto reached = [&](const auto& target) {
    const uint32_t shelf = shelves::shelf_of(target.first, shelves());
    return std::all_of(target.second.begin(), target.second.end(), [&](const auto& lane) {
      return lane_sequence(shelf, lane.first) >= lane.second;
    });
  };
  while (true) {
    for (JournalFollower& journal : journals_) {
      const auto visited = journal.read([&](const Record& record, bool in_mysql) {
        const auto target = targets.find(record.item);
        if (target == targets.end()) return;
        if (record.lane_sequence > batch_of(target->second, journal.lane())) return;
        count(journal.lane(), record, in_mysql);
      });
      if (!visited) return visited.error();
    }
    const bool done = std::all_of(targets.begin(), targets.end(), reached);
    if (done || base::monotonic_us() > deadline_us) return {};
    std::this_thread::sleep_for(kPollInterval);
  }
}

std::map<uint32_t, uint64_t> JournalTotals::ids() const {
  std::map<uint32_t, uint64_t> ids;
  for (const JournalFollower& journal : journals_) ids[journal.lane()] = journal.id();
  return ids;
}

uint64_t JournalTotals::lane_sequence(uint32_t shelf, uint32_t lane) const {
  for (const JournalFollower& journal : journals_) {
    if (journal.lane() == lane) return journal.lane_sequence(shelf);
  }
  return 0;
}

LaneTimes JournalTotals::retired(uint32_t shelf) const {
  LaneTimes retired;
  for (const JournalFollower& journal : journals_) {
    const int64_t retired_ms = journal.retired_ms(shelf);
    if (retired_ms != 0) retired[journal.lane()] = retired_ms;
  }
  return retired;
}

}  // namespace sluice::ctl
