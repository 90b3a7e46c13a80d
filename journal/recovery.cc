#include "journal/recovery.h"

#include <algorithm>
#include <utility>

#include "base/clock.h"
#include "base/failpoint.h"
#include "journal/examine.h"
#include "journal/segment.h"

namespace sluice::journal {
namespace {

// How often segments may vanish under the reader.
constexpr int kLooks = 20;

Status remove_if_there(base::FileSystem& fs, const std::string& path) {
  Status removed = fs.remove(path);
  if (!removed && removed.error().cls() == ErrorClass::kNotFound) return {};
  return removed;
}

// Keeps the torn bytes beside the segment, synced, before anything cuts them off.
Status keep_torn_bytes(const std::string& dir, base::FileSystem& fs, const SegmentReport& segment,
                       uint64_t torn_bytes, const std::string& copy_path) {
  auto file = fs.open(segment.info.path, base::OpenMode::kRead);
  if (!file) return file.error();
  auto copy = fs.open(copy_path, base::OpenMode::kReplace);
  if (!copy) return copy.error();
  std::string buffer(size_t{1} << 20, '\0');
  for (uint64_t done = 0; done < torn_bytes;) {
    const uint64_t step = std::min<uint64_t>(buffer.size(), torn_bytes - done);
    auto read = (*file)->pread(segment.end_offset + done, buffer.data(), step);
    if (!read) return read.error();
    if (*read == 0) break;
    SLUICE_TRY((*copy)->pwrite(done, std::string_view(buffer).substr(0, *read)));
    done += *read;
  }
  SLUICE_TRY((*copy)->sync());
  SLUICE_TRY((*copy)->close());
  return fs.sync_dir(dir);
}

// Appends the tail's frames, sealed anew for segment `to`, and a mark behind them.
Status copy_tail(base::File& from, const SegmentReport& segment, uint64_t tail_offset,
                 base::File& to, const SegmentHeader& header, const Examination& found) {
  const SegmentHeader& old = segment.info.header;
  const uint32_t seed = frame_seed(header.journal_id, header.segment);
  FrameScanner scanner(from, frame_seed(old.journal_id, old.segment), tail_offset);
  uint64_t offset = kSegmentHeaderBytes;
  std::string bytes;
  while (scanner.offset() < segment.end_offset) {
    Frame frame;
    auto next = scanner.next(frame);
    if (!next) return next.error();
    if (*next != FrameScanner::Found::kFrame) {
      return damage(segment.info.path, scanner.offset(), "the file changed while it was recovered");
    }
    if (frame.header.is_mark()) continue;
    frame.header.synced_sequence = header.first_sequence - 1;
    bytes.clear();
    append_frame(bytes, seed, frame.header, frame.payload);
    SLUICE_TRY(to.pwrite(offset, bytes));
    offset += bytes.size();
  }
  bytes.clear();
  FrameHeader mark;
  mark.first_sequence = found.last_sequence + 1;
  mark.synced_sequence = found.last_sequence;
  mark.order_id_max = found.order_id_max;
  mark.incarnation = found.incarnation;
  mark.fingerprint = found.fingerprint;
  append_frame(bytes, seed, mark, {});
  return to.pwrite(offset, bytes);
}

// Begins a new segment with what the newest one holds beyond its synced mark.
//
// Why: after a failed fdatasync the kernel may keep pages that it never wrote and calls clean, so
// reading the tail back proves nothing about the disk; writing it to a fresh file and syncing that
// does. Why it is safe to die anywhere in here: until the rename, the old segment is untouched and
// the new file has no name that counts; from the rename on, the new segment's first sequence ends
// the old one (format rule), so what is still behind its cut is ignored, by readers too.
Status rewrite_tail(const std::string& dir, base::FileSystem& fs, const Examination& found) {
  const SegmentReport& old = found.segments.back();
  SegmentHeader header = old.info.header;
  header.segment += 1;
  header.order_id_max = found.order_id_max;
  header.created_ms = base::wall_ms();
  header.first_sequence = found.tail_sequence;
  header.fingerprint = found.tail_fingerprint;
  header.incarnation = found.incarnation;

  auto from = fs.open(old.info.path, base::OpenMode::kReadWrite);
  if (!from) return from.error();
  const std::string path = path_in(dir, kRecoveryName);
  auto to = fs.open(path, base::OpenMode::kReplace);
  if (!to) return to.error();
  SLUICE_TRY((*to)->pwrite(0, encode_segment_header(header)));
  SLUICE_TRY(copy_tail(**from, old, found.tail_offset, **to, header, found));
  SLUICE_TRY((*to)->sync());
  SLUICE_TRY((*to)->close());
  SLUICE_TRY(base::failpoint_status(base::Failpoint::kRecoveryBeforeRename));
  SLUICE_TRY(fs.rename(path, path_in(dir, segment_name(header.segment))));
  SLUICE_TRY(base::failpoint_status(base::Failpoint::kRecoveryAfterRename));
  SLUICE_TRY(fs.sync_dir(dir));

  // Gives back the old segment's preallocated room. Should this be lost, nothing is.
  SLUICE_TRY((*from)->truncate(found.tail_offset));
  return (*from)->sync();
}

// Reads the tail. The flusher may compact and delete segments between listing and reading; then it
// is further on, and so is the snapshot. What was visited before is not visited again.
Result<Examination> read_tail(const std::string& dir, base::FileSystem& fs,
                              const std::function<void(const Record&)>& visit, uint64_t& visited) {
  uint64_t next = 1;
  const auto visit_once = [&](const Record& record) {
    if (record.sequence < next) return;
    next = record.sequence + 1;
    ++visited;
    visit(record);
  };
  for (int look = 1;; ++look) {
    auto found = examine(dir, fs, visit_once, Scope::kTail);
    const bool vanished = !found && found.error().cls() == ErrorClass::kNotFound;
    if (!vanished || look == kLooks) return found;
  }
}

}  // namespace

Result<RecoveryReport> recover(const std::string& dir, base::FileSystem& fs,
                               const std::function<void(const Record&)>& visit) {
  SLUICE_TRY(fs.make_dir(dir));
  // A live writer's last frame looks torn to everybody else: never judge it while it writes.
  auto lock = lock_journal(dir, fs);
  if (!lock) return lock.error();
  SLUICE_TRY(remove_if_there(fs, path_in(dir, kNextName)));
  SLUICE_TRY(remove_if_there(fs, path_in(dir, kRecoveryName)));

  RecoveryReport report;
  auto found = read_tail(dir, fs, visit, report.records);
  if (!found) return found.error();
  if (found->segments.empty()) return report;
  const SegmentReport& newest = found->segments.back();
  report.journal_id = newest.info.header.journal_id;
  report.proxy_id = newest.info.header.proxy_id;
  report.shelves = newest.info.header.shelves;
  report.incarnation = found->incarnation;
  report.last_sequence = found->last_sequence;
  report.order_id_max = found->order_id_max;
  report.snapshot = std::move(found->snapshot);
  report.torn_bytes = found->torn_bytes;
  if (found->clean) return report;

  if (found->torn_bytes > 0) {
    report.torn_copy = newest.info.path + ".torn-" + std::to_string(newest.end_offset);
    SLUICE_TRY(keep_torn_bytes(dir, fs, newest, found->torn_bytes, report.torn_copy));
  }
  SLUICE_TRY(rewrite_tail(dir, fs, *found));
  return report;
}

}  // namespace sluice::journal
