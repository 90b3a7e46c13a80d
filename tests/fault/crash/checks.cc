#include "checks.h"

#include <future>

#include "base/metrics.h"
#include "journal/group_commit.h"
#include "journal/history.h"
#include "journal/reader.h"
#include "journal/recovery.h"

namespace sluice::crash {
namespace {

using journal::Record;

std::string text(uint64_t number) { return std::to_string(number); }

// Compares with what was submitted at that sequence; a snapshot keeps no fields.
std::string check_record(const Record& record, const Submitted& submitted, bool may_lack_fields) {
  const auto wanted = submitted.records.find(record.sequence);
  if (wanted == submitted.records.end()) return "phantom record " + text(record.sequence);
  if (encoded(record, true) == wanted->second) return "";
  std::string_view bytes = wanted->second;
  const auto original = journal::take_record(bytes);
  if (may_lack_fields && original && encoded(record, true) == encoded(*original, false)) return "";
  return "record " + text(record.sequence) + " is not what was submitted";
}

bool is_retired(uint64_t sequence, const Submitted& submitted,
                const std::optional<journal::Snapshot>& snapshot) {
  if (!snapshot || sequence >= snapshot->end_sequence) return false;
  std::string_view bytes = submitted.records.at(sequence);
  const auto record = journal::take_record(bytes);
  return record && record->time_ms <= snapshot->retired_ms &&
         !snapshot->items.contains(journal::ItemView{record->item, record->born});
}

std::string check_history(SimFileSystem& fs, const Submitted& submitted,
                          const journal::RecoveryReport& report) {
  auto history = journal::History::open(kDir, fs);
  if (!history) return report.last_sequence == 0 ? "" : history.error().message();
  const uint64_t covered = report.snapshot ? report.snapshot->end_sequence : 1;
  uint64_t expected = 1;
  for (;;) {
    auto group = (*history)->next();
    if (!group) return "history: " + group.error().message();
    if (!*group) break;
    for (const Record& record : (*group)->records) {
      for (; expected < record.sequence; ++expected) {
        if (!is_retired(expected, submitted, report.snapshot)) {
          return "history lacks record " + text(expected);
        }
      }
      if (record.sequence != expected++) return "history repeats record " + text(record.sequence);
      auto wrong = check_record(record, submitted, record.sequence < covered);
      if (!wrong.empty()) return "history: " + wrong;
    }
  }
  for (; expected <= report.last_sequence; ++expected) {
    if (!is_retired(expected, submitted, report.snapshot)) {
      return "history ends before record " + text(expected);
    }
  }
  return expected == report.last_sequence + 1 ? "" : "history has more than recovery found";
}

}  // namespace

std::string check_recovery(SimFileSystem& fs, const Submitted& submitted, uint64_t promised,
                           uint64_t& last) {
  std::string wrong;
  uint64_t visited = 0, first = 0;
  const auto visit = [&](const Record& record) {
    if (first == 0) first = record.sequence;
    if (visited != 0 && record.sequence != visited + 1) wrong = "recovery leaves a gap";
    visited = record.sequence;
    if (wrong.empty()) wrong = check_record(record, submitted, false);
  };
  auto report = journal::recover(kDir, fs, visit);
  if (!report) return "refused: " + report.error().message();
  last = report->last_sequence;
  if (!wrong.empty()) return wrong;
  if (last < promised) return "ends with " + text(last) + ", promised was " + text(promised);
  if (last != 0 && !submitted.batch_ends.contains(last)) return "half a batch at " + text(last);
  const uint64_t covered = report->snapshot ? report->snapshot->end_sequence : 1;
  if (first != 0 && first != covered) return "visits begin with " + text(first);
  if ((first == 0 ? covered - 1 : visited) != last) return "visits end with " + text(visited);
  if (last != 0 && report->order_id_max < submitted.order_ids.at(last)) {
    return "order id " + text(report->order_id_max) + " is too low";
  }
  return check_history(fs, submitted, *report);
}

std::string check_second_start(SimFileSystem& fs, uint64_t last) {
  Record record;
  record.item = "after the crash";
  record.user = "u";
  record.order_id = uint64_t{1} << 40;
  record.quantity = 1;
  base::Registry metrics;
  auto commit =
      journal::GroupCommit::start(small_segments(journal::FsyncPolicy::kAlways), fs, metrics);
  if (!commit) return "no second start: " + commit.error().message();
  std::promise<journal::CommitOutcome> promise;
  auto future = promise.get_future();
  (*commit)->submit(encoded(record, true), 1, 0, record.order_id,
                    [&](const journal::CommitOutcome& outcome) { promise.set_value(outcome); });
  const journal::CommitOutcome outcome = future.get();
  if (!outcome.status) return "second start: " + outcome.status.error().message();
  if (outcome.last_sequence != last + 1) return "second start: goes on elsewhere";
  if (Status stopped = (*commit)->stop(); !stopped) return stopped.error().message();
  commit->reset();
  auto reader = journal::Reader::open(kDir, fs, last + 1);
  if (!reader) return "second start: " + reader.error().message();
  auto group = (*reader)->next();
  if (!group) return "second start: " + group.error().message();
  if (!*group || (*group)->records.size() != 1 ||
      encoded((*group)->records[0], true) != encoded(record, true)) {
    return "second start: what was appended cannot be read";
  }
  return "";
}

}  // namespace sluice::crash
