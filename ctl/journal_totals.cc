#include "ctl/journal_totals.h"

#include <algorithm>
#include <chrono>
#include <thread>

#include "base/clock.h"
#include "base/file.h"
#include "journal/examine.h"
#include "journal/snapshot.h"
#include "orders/partition.h"

namespace sluice::ctl {
namespace {

using journal::Record;
using journal::RecordType;

constexpr auto kPollInterval = std::chrono::milliseconds(5);

void add(Sales& sales, const Record& record) {
  switch (record.type) {
    case RecordType::kCreate:
    case RecordType::kRestock:
      sales.given += record.quantity;
      break;
    case RecordType::kBuy:
      sales.bought.add(record.order_id, record.user, record.quantity);
      break;
    case RecordType::kCancel:
      sales.cancelled.add(record.order_id, record.user, record.quantity);
      break;
    case RecordType::kClose:
    case RecordType::kReopen:
    case RecordType::kChange:
    case RecordType::kDelete:
      break;
  }
}

void define(JournalItem& item, const Record& record) {
  if (record.type == RecordType::kCreate) {
    item.created = true;
    item.created_ms = record.time_ms;
  }
  if (journal::has_settings(record.type)) {
    item.limit = record.limit;
    item.start_ms = record.start_ms;
    item.end_ms = record.end_ms;
  }
  const bool state = record.type == RecordType::kClose || record.type == RecordType::kReopen;
  // Of several lanes the later word counts.
  if (!state || record.time_ms < item.state_ms) return;
  item.open = record.type == RecordType::kReopen;
  item.state_ms = record.time_ms;
}

uint64_t batch_of(const Lanes& lanes, uint32_t lane) {
  const auto found = lanes.find(lane);
  return found == lanes.end() ? 0 : found->second;
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
  const auto snapshot = journal::load_snapshot(source.dir, fs);
  if (!snapshot) return snapshot.error();
  follower.retired_ms_ = *snapshot ? (*snapshot)->retired_ms : 0;
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
      visit(record, record.sequence < positions_[orders::writer_of(record, writers)]);
    }
    visited += (*group)->records.size();
  }
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
    const auto reader = journal::Reader::open(source.dir, fs, {extent->first_sequence});
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
  define(item, record);
  add(item.all, record);
  if (in_mysql) {
    add(item.drained, record);
  } else {
    ++item.waiting;
  }
  item.first_lane_sequence.try_emplace(lane, record.lane_sequence);
  item.last_lane_sequence[lane] = record.lane_sequence;
}

Status JournalTotals::follow(const std::map<std::string, Lanes, std::less<>>& targets,
                             int64_t within_us) {
  const int64_t deadline_us = base::monotonic_us() + within_us;
  const auto reached = [&](const auto& target) {
    const auto item = items_.find(target.first);
    return std::all_of(target.second.begin(), target.second.end(), [&](const auto& lane) {
      const uint64_t last =
          item == items_.end() ? 0 : batch_of(item->second.last_lane_sequence, lane.first);
      return last >= lane.second;
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

LaneTimes JournalTotals::retired() const {
  LaneTimes retired;
  for (const JournalFollower& journal : journals_) {
    if (journal.retired_ms() != 0) retired[journal.lane()] = journal.retired_ms();
  }
  return retired;
}

}  // namespace sluice::ctl
