#include "journal/compactor.h"

#include <algorithm>
#include <utility>

#include "base/failpoint.h"
#include "journal/fingerprint.h"
#include "journal/part.h"
#include "journal/reader.h"

namespace sluice::journal {
namespace {

constexpr std::string_view kCompactorLockName = "snapshot.lock";

// A merge that would leave the disk less than this is put off; the segments alone, which will be
// deleted in turn, are compacted all the same.
constexpr uint64_t kFreeBytesMin = uint64_t{64} << 20;

Error interrupted() { return Error(ErrorClass::kUnavailable, "the compaction was interrupted"); }

// Times of records come from a clock that may have been ahead by anything: what lies more than a
// day ahead of now counts as old enough, or it would be kept for as long.
constexpr int64_t kAheadMaxMs = 24 * 3'600'000;

int64_t known_ms(int64_t time_ms, int64_t now_ms) {
  return time_ms - kAheadMaxMs > now_ms ? INT64_MIN : time_ms;
}

// Since when nobody can buy the item any more; INT64_MAX: somebody can.
int64_t over_since_ms(const ItemKey& key, const ItemState& item, uint32_t proxy_id,
                      int64_t now_ms) {
  int64_t since_ms = INT64_MAX;
  if (item.closed_ms != 0) since_ms = known_ms(item.closed_ms, now_ms);
  if (item.end_ms != 0) since_ms = std::min(since_ms, item.end_ms);
  // Late cancels of an item that was retired before: this proxy created it, yet its CREATE is gone.
  const bool remnant = !item.created && proxy_of_id(key.born) == proxy_id && item.reopened_ms == 0;
  const int64_t last_ms = known_ms(item.last_ms, now_ms);
  if (remnant) since_ms = last_ms;
  return since_ms == INT64_MAX ? since_ms : std::max(since_ms, last_ms);
}

uint64_t records_in(const std::vector<PartInfo>& parts) {
  uint64_t records = 0;
  for (const PartInfo& part : parts) records += part.records;
  return records;
}

uint64_t records_of(const ItemTable& items) {
  uint64_t records = 0;
  for (const auto& [key, item] : items) records += item.records;
  return records;
}

// How many parts, from the oldest on, stay as they are while `records` new ones come behind them.
size_t parts_to_keep(const Snapshot& snapshot, uint64_t records) {
  // Over half of all is what retired items left behind: all of it is written anew.
  if (records_in(snapshot.parts) > 2 * records_of(snapshot.items)) return 0;
  size_t kept = snapshot.parts.size();
  while (kept > 0 && snapshot.parts[kept - 1].records < 2 * records) {
    records += snapshot.parts[--kept].records;
  }
  return kept;
}

// What deleting segments relies on: the parts are there, each as long as it has to be.
Status check_parts(const std::string& dir, base::FileSystem& fs, const Snapshot& snapshot) {
  for (const PartInfo& info : snapshot.parts) {
    auto part = PartReader::open(dir, fs, snapshot.journal_id, info);
    if (!part) return part.error();
  }
  return {};
}

}  // namespace

Result<Compactor::Report> Compactor::pass(uint64_t position, int64_t now_ms, int64_t retain_ms,
                                          size_t segments_min, uint64_t journal_id) {
  Report report;
  if (interrupted_) return interrupted();
  SLUICE_TRY(look(position, now_ms));
  SLUICE_TRY(check_journal(journal_id));
  if (room_wanted_) segments_min = 1;
  const bool compacts = waiting(position) >= std::max<size_t>(segments_min, 1);
  if (!compacts && removable(now_ms, retain_ms) == 0) return report;

  auto lock = fs_.lock(path_in(dir_, kCompactorLockName));
  if (!lock) {
    if (lock.error().cls() == ErrorClass::kExists) return report;  // another flusher is at it
    return lock.error();
  }
  auto folder = load_folder(dir_, fs_);
  if (!folder) return folder.error();
  segments_ = std::move(folder->segments);
  if (segments_.empty()) return report;
  SLUICE_TRY(check_journal(journal_id));
  Snapshot snapshot = std::move(folder->snapshot).value_or(Snapshot());
  snapshot.journal_id = segments_.back().header.journal_id;
  if (snapshot.end_sequence == 1) snapshot.fingerprint = fingerprint_of(snapshot.journal_id);
  snapshot.shelves.resize(segments_.back().header.shelves);
  covered_ = snapshot.end_sequence;
  SLUICE_TRY(make_sure_of(snapshot));
  SLUICE_TRY(remove_unnamed(snapshot));
  if (compacts) SLUICE_TRY(compact(snapshot, position, now_ms, retain_ms, report));
  SLUICE_TRY(remove_segments(snapshot, now_ms, retain_ms, report));
  return report;
}

// Lists the segments, and remembers when each was first seen drained.
Status Compactor::look(uint64_t position, int64_t now_ms) {
  auto listed = list_segments(dir_, fs_);
  if (!listed) return listed.error();
  segments_ = std::move(*listed);
  if (covered_ == 0) {
    auto snapshot = load_snapshot(dir_, fs_);
    if (!snapshot) return snapshot.error();
    covered_ = *snapshot ? (*snapshot)->end_sequence : 1;
  }
  for (size_t i = 0; i + 1 < segments_.size(); ++i) {
    const SegmentHeader& next = segments_[i + 1].header;
    if (next.first_sequence > position) break;
    // What was drained before this process looked counts from when its last record was written.
    drained_ms_.try_emplace(segments_[i].header.segment, looked_ ? now_ms : next.created_ms);
  }
  // None of that can lie ahead, unless the clock was set back.
  for (auto& [segment, drained_ms] : drained_ms_) drained_ms = std::min(drained_ms, now_ms);
  looked_ = true;
  room_wanted_ = fs_.open(path_in(dir_, kRoomWantedName), base::OpenMode::kRead).ok();
  if (!segments_.empty()) {
    drained_ms_.erase(drained_ms_.begin(),
                      drained_ms_.lower_bound(segments_.front().header.segment));
  }
  return {};
}

Status Compactor::check_journal(uint64_t journal_id) const {
  if (journal_id == 0 || segments_.empty()) return {};
  const uint64_t found = segments_.back().header.journal_id;
  if (found == journal_id) return {};
  return Error(ErrorClass::kRefused, dir_ + " holds journal " + std::to_string(found) +
                                         " now, not " + std::to_string(journal_id) +
                                         ", which is being drained");
}

// How many whole segments are in MySQL and not in the snapshot.
size_t Compactor::waiting(uint64_t position) const {
  size_t count = 0;
  for (size_t i = 0; i + 1 < segments_.size(); ++i) {
    const uint64_t end = segments_[i + 1].header.first_sequence;
    if (end > covered_ && end <= position) ++count;
  }
  return count;
}

// How many segments, from the oldest on, are covered.
size_t Compactor::covered() const {
  size_t count = 0;
  while (count + 1 < segments_.size() && segments_[count + 1].header.first_sequence <= covered_) {
    ++count;
  }
  return count;
}

// How many of these were kept long enough.
size_t Compactor::removable(int64_t now_ms, int64_t retain_ms) const {
  const size_t all = covered();
  size_t count = 0;
  for (; count < all; ++count) {
    const auto drained_ms = drained_ms_.find(segments_[count].header.segment);
    if (drained_ms == drained_ms_.end() || drained_ms->second > now_ms - retain_ms) break;
  }
  return room_wanted_ ? std::max(count, (all + 1) / 2) : count;
}

Status Compactor::compact(Snapshot& snapshot, uint64_t position, int64_t now_ms, int64_t retain_ms,
                          Report& report) {
  auto plan = make_plan(snapshot, position);
  if (!plan) return plan.error();
  if (plan->segments == 0) return {};
  auto part = write_part(snapshot, *plan);
  if (!part) {
    // Best effort: it may hold the last free bytes. What stays is for the next pass.
    (void)fs_.remove(path_in(dir_, part_name(snapshot.next_part)));
    return part.error();
  }
  snapshot.parts.resize(plan->parts_kept);
  snapshot.parts.push_back(*part);
  snapshot.generation += 1;
  snapshot.next_part += 1;
  report.segments_compacted = plan->segments;
  report.records_written = part->records;
  report.items_retired = retire(snapshot, now_ms, retain_ms);
  SLUICE_TRY(publish(snapshot));
  covered_ = snapshot.end_sequence;
  base::failpoint(base::Failpoint::kCompactBeforeDelete);
  return remove_unnamed(snapshot);
}

// Takes out of the table what was deleted, and what was over for twice `retain_ms` when the last
// record covered was written. Counted in the journal's own time, so that a REOPEN within that time
// is never overlooked, however late it is drained; an idle journal retires nothing.
size_t Compactor::retire(Snapshot& snapshot, int64_t now_ms, int64_t retain_ms) const {
  const int64_t until_ms = std::min(now_ms, snapshot.end_ms) - kItemRetains * retain_ms;
  const auto over = find_over_ ? over_in_database(snapshot, until_ms, now_ms)
                               : over_ones(snapshot, until_ms, now_ms);
  for (const ItemKey& key : over) snapshot.retire(snapshot.items.find(key));
  return over.size();
}

// As far as this journal alone tells.
std::vector<ItemKey> Compactor::over_ones(const Snapshot& snapshot, int64_t until_ms,
                                          int64_t now_ms) const {
  const uint32_t proxy_id = segments_.back().header.proxy_id;
  std::vector<ItemKey> over;
  for (const auto& [key, item] : snapshot.items) {
    if (item.deleted || over_since_ms(key, item, proxy_id, now_ms) <= until_ms) over.push_back(key);
  }
  return over;
}

// A deleted item goes once the database has deleted it, which it does with the last lane's mark.
// Until then this lane's records are what that mark needs, should Redis lose all before it is made:
// else the row would stay, and meet the next item of the name.
std::vector<ItemKey> Compactor::over_in_database(const Snapshot& snapshot, int64_t until_ms,
                                                 int64_t now_ms) const {
  std::vector<std::string> names;
  // Born, by name: a name is free for the next item once the last one is gone.
  std::map<std::string_view, uint64_t> newest;
  for (const auto& [key, item] : snapshot.items) {
    newest[key.name] = std::max(newest[key.name], key.born);
    const bool is_quiet = known_ms(item.last_ms, now_ms) <= until_ms;
    const bool asks = item.deleted ? !item.deleted_by_last : is_quiet;
    if (asks) names.push_back(key.name);
  }
  Found found;
  if (auto answer = find_over_(names, until_ms)) found = std::move(*answer);
  std::vector<ItemKey> over;
  for (const auto& [key, item] : snapshot.items) {
    const bool is_gone =
        item.deleted_by_last || found.absent.contains(key.name) || key.born < newest[key.name];
    const bool is_quiet = known_ms(item.last_ms, now_ms) <= until_ms;
    if (item.deleted ? is_gone : is_quiet && found.over.contains(key.name)) over.push_back(key);
  }
  return over;
}

Result<Compactor::Plan> Compactor::make_plan(const Snapshot& snapshot, uint64_t position) const {
  Plan plan;
  plan.parts_kept = snapshot.parts.size();
  uint64_t bytes = 0, first_end = 0;
  for (size_t i = 0; i + 1 < segments_.size(); ++i) {
    const uint64_t end = segments_[i + 1].header.first_sequence;
    if (end <= snapshot.end_sequence || end > position) continue;
    if (plan.segments++ == 0) first_end = end;
    plan.end_sequence = end;
    bytes += segments_[i].file_bytes;
  }
  if (plan.segments == 0) return plan;
  plan.parts_kept = parts_to_keep(snapshot, plan.end_sequence - snapshot.end_sequence);
  for (size_t i = plan.parts_kept; i < snapshot.parts.size(); ++i) bytes += snapshot.parts[i].bytes;
  auto free = fs_.free_bytes(dir_);
  if (!free) return free.error();
  if (*free >= bytes + kFreeBytesMin) return plan;
  // The disk is nearly full: one segment, so that it can be deleted.
  return Plan{first_end, snapshot.parts.size(), 1};
}

// Writes the new part and its name, durably, and brings the item table up to date.
Result<PartInfo> Compactor::write_part(Snapshot& snapshot, const Plan& plan) {
  const bool merges = plan.parts_kept < snapshot.parts.size();
  const uint64_t first =
      merges ? snapshot.parts[plan.parts_kept].first_sequence : snapshot.end_sequence;
  auto writer = PartWriter::create(dir_, fs_, snapshot.journal_id, snapshot.next_part, first);
  if (!writer) return writer.error();
  for (size_t i = plan.parts_kept; i < snapshot.parts.size(); ++i) {
    SLUICE_TRY(copy_part(snapshot, snapshot.parts[i], **writer));
  }
  SLUICE_TRY(copy_segments(snapshot, plan.end_sequence, **writer));
  auto part = (*writer)->finish(plan.end_sequence);
  if (!part) return part.error();
  SLUICE_TRY(fs_.sync_dir(dir_));
  return part;
}

Status Compactor::copy_part(const Snapshot& snapshot, const PartInfo& info, PartWriter& to) {
  auto part = PartReader::open(dir_, fs_, snapshot.journal_id, info);
  if (!part) return part.error();
  for (;;) {
    if (interrupted_) return interrupted();
    auto group = (*part)->next();
    if (!group) return group.error();
    if (!*group) return {};
    for (const Record& record : (*group)->records) {
      if (snapshot.holds(record)) SLUICE_TRY(to.add(record));
    }
    SLUICE_TRY(to.end_group());
  }
}

Status Compactor::copy_segments(Snapshot& snapshot, uint64_t end_sequence, PartWriter& to) {
  auto reader = Reader::open(dir_, fs_, snapshot.end_sequence);
  if (!reader) return reader.error();
  while (snapshot.end_sequence < end_sequence) {
    if (interrupted_) return interrupted();
    auto group = (*reader)->next();
    if (!group) return group.error();
    if (!*group) {
      return Error(ErrorClass::kCorrupt, "the journal in " + dir_ + " ends before record " +
                                             std::to_string(end_sequence - 1) +
                                             ", which was there before");
    }
    for (const Record& record : (*group)->records) {
      SLUICE_TRY(to.add(record));
      snapshot.add(record);
    }
    SLUICE_TRY(to.end_group());
  }
  return {};
}

// From the rename on the new part counts, and what it replaces does not.
Status Compactor::publish(const Snapshot& snapshot) {
  const std::string next = path_in(dir_, kSnapshotNextName);
  SLUICE_TRY(base::write_file(fs_, next, encode_snapshot(snapshot)));
  base::failpoint(base::Failpoint::kCompactBeforeRename);
  SLUICE_TRY(fs_.rename(next, path_in(dir_, kSnapshotName)));
  base::failpoint(base::Failpoint::kCompactAfterRename);
  SLUICE_TRY(fs_.sync_dir(dir_));
  published_ = snapshot.generation;
  return {};
}

// The manifest that is read may be one whose rename never reached the disk: the pass that wrote it
// died, or its fsync failed. Nothing that only it does without is deleted before it surely has.
Status Compactor::make_sure_of(const Snapshot& snapshot) {
  if (snapshot.generation == 0 || snapshot.generation == published_) return {};
  return publish(snapshot);
}

// Deletes what the manifest on disk does not name: parts that were merged, and what a pass left
// that died. Whoever still reads one has it open.
Status Compactor::remove_unnamed(const Snapshot& snapshot) {
  auto entries = fs_.list(dir_);
  if (!entries) return entries.error();
  bool removed = false;
  for (const base::DirectoryEntry& entry : *entries) {
    const uint64_t number = part_number(entry.name);
    const auto& parts = snapshot.parts;
    const bool named = std::any_of(parts.begin(), parts.end(), [number](const PartInfo& part) {
      return part.number == number;
    });
    if (entry.name != kSnapshotNextName && (number == 0 || named)) continue;
    SLUICE_TRY(fs_.remove(path_in(dir_, entry.name)));
    removed = true;
  }
  return removed ? fs_.sync_dir(dir_) : Status();
}

Status Compactor::remove_segments(const Snapshot& snapshot, int64_t now_ms, int64_t retain_ms,
                                  Report& report) {
  const size_t count = removable(now_ms, retain_ms);
  if (count > 0) SLUICE_TRY(check_parts(dir_, fs_, snapshot));
  for (size_t i = 0; i < count; ++i) {
    SLUICE_TRY(base::failpoint_status(base::Failpoint::kJanitorBeforeDelete));
    SLUICE_TRY(remove_segment(dir_, fs_, segments_[i].header.segment));
    SLUICE_TRY(base::failpoint_status(base::Failpoint::kJanitorAfterDelete));
    ++report.segments_removed;
  }
  return {};
}

}  // namespace sluice::journal
