#include "journal/examine.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "base/crc64.h"
#include "journal/fingerprint.h"
#include "journal/part.h"

namespace sluice::journal {
namespace {

constexpr uint64_t kNoLimit = std::numeric_limits<uint64_t>::max();

// Walks one segment from its header to where its records end.
class SegmentWalk {
 public:
  // `limit`: the next segment's first sequence; kNoLimit for the newest segment.
  SegmentWalk(const SegmentInfo& info, base::File& file, uint64_t limit, Examination& result)
      : info_(info), file_(file), limit_(limit), result_(result),
        seed_(frame_seed(info.header.journal_id, info.header.segment)),
        scanner_(file, seed_, kSegmentHeaderBytes) {
    report_.info = info;
    report_.read = true;
    report_.end_sequence = info.header.first_sequence;
    report_.end_offset = kSegmentHeaderBytes;
    result_.fingerprint = info.header.fingerprint;
    result_.incarnation = info.header.incarnation;
  }

  Status run(const std::function<void(const Record&)>& visit) {
    // Behind the limit lies at most what recovery has copied into the next segment and had no time
    // to cut off here.
    while (report_.end_sequence < limit_) {
      Frame frame;
      auto found = scanner_.next(frame);
      if (!found) return found.error();
      if (*found != FrameScanner::Found::kFrame) {
        SLUICE_TRY(limit_ == kNoLimit ? judge_tail() : records_missing());
        break;
      }
      SLUICE_TRY(take(frame, visit));
    }
    finish();
    return {};
  }

 private:
  Status take(const Frame& frame, const std::function<void(const Record&)>& visit) {
    const FrameHeader& header = frame.header;
    if (header.first_sequence != report_.end_sequence || header.end_sequence() > limit_) {
      return damage(info_.path, frame.offset,
                    "a frame with records " + std::to_string(header.first_sequence) + " to " +
                        std::to_string(header.end_sequence() - 1) + " where record " +
                        std::to_string(report_.end_sequence) + " should follow");
    }
    if (Status decoded = decode_records(header, frame.payload, visit); !decoded) {
      return damage(info_.path, frame.offset, decoded.error().message());
    }
    const uint64_t before = result_.fingerprint;
    if (!header.is_mark()) {
      result_.fingerprint = fingerprint_after_frame(before, header.incarnation, frame.payload);
    }
    if (header.fingerprint != result_.fingerprint) {
      return other_history(info_.path, frame.offset, header.first_sequence);
    }
    result_.incarnation = header.incarnation;
    report_.end_sequence = header.end_sequence();
    report_.end_offset = scanner_.offset();
    report_.records += header.record_count;
    report_.frames += 1;
    result_.synced_sequence = std::max(result_.synced_sequence, header.synced_sequence);
    result_.order_id_max = std::max(result_.order_id_max, header.order_id_max);
    last_is_mark_ = header.is_mark();
    if (!last_is_mark_) {
      unsynced_.push_back({frame.offset, header.first_sequence, header.end_sequence() - 1, before});
    }
    drop_synced();
    return {};
  }

  Status records_missing() {
    return damage(info_.path, scanner_.offset(),
                  "record " + std::to_string(report_.end_sequence) + " should be here, but there " +
                      (scanner_.check() == FrameCheck::kNotAFrame ? "are " : "is ") +
                      describe(scanner_.check()) + "; the next segment begins with record " +
                      std::to_string(limit_));
  }

  // Only here may bytes be invalid without being damaged: nothing says that they were ever synced.
  Status judge_tail() {
    auto evidence = examine_tail(file_, seed_, scanner_.offset(), report_.end_sequence);
    if (!evidence) return evidence.error();
    if (evidence->later_frame != 0) {
      return damage(info_.path, scanner_.offset(),
                    "record " + std::to_string(report_.end_sequence) +
                        " should be here and was synced (says the frame at offset " +
                        std::to_string(evidence->later_frame) + "), but there " +
                        (scanner_.check() == FrameCheck::kNotAFrame ? "are " : "is ") +
                        describe(scanner_.check()));
    }
    result_.torn_bytes = evidence->used_end - scanner_.offset();
    return {};
  }

  void finish() {
    const uint64_t first = info_.header.first_sequence;
    // A segment is begun only when all before it is synced.
    result_.synced_sequence = std::max(result_.synced_sequence, first - 1);
    result_.order_id_max = std::max(result_.order_id_max, info_.header.order_id_max);
    drop_synced();
    result_.last_sequence = report_.end_sequence - 1;
    result_.records += report_.records;
    result_.tail_offset = unsynced_.empty() ? report_.end_offset : unsynced_.front().offset;
    result_.tail_sequence =
        unsynced_.empty() ? report_.end_sequence : unsynced_.front().first_sequence;
    result_.tail_fingerprint = unsynced_.empty() ? result_.fingerprint : unsynced_.front().before;
    result_.clean = last_is_mark_ && unsynced_.empty() &&
                    report_.end_offset == report_.info.file_bytes;
    result_.segments.push_back(report_);
  }

  void drop_synced() {
    const auto first = std::find_if(unsynced_.begin(), unsynced_.end(), [&](const Unsynced& frame) {
      return frame.last_sequence > result_.synced_sequence;
    });
    unsynced_.erase(unsynced_.begin(), first);
  }

  struct Unsynced {
    uint64_t offset;
    uint64_t first_sequence;
    uint64_t last_sequence;
    uint64_t before;  // the fingerprint
  };

  const SegmentInfo& info_;
  base::File& file_;
  const uint64_t limit_;
  Examination& result_;
  const uint32_t seed_;
  FrameScanner scanner_;
  SegmentReport report_;
  std::vector<Unsynced> unsynced_;  // frames with records not yet known to be synced
  bool last_is_mark_ = false;
};

}  // namespace

Error damage(const std::string& path, uint64_t offset, const std::string& what) {
  return Error(ErrorClass::kCorrupt,
               path + ", offset " + std::to_string(offset) + ": " + what +
                   "; nothing was changed; put the file back from a backup or a copy of the disk, "
                   "or see docs/journal_format.md, \"Damage\"");
}

Error other_history(const std::string& path, uint64_t offset, uint64_t sequence) {
  return damage(path, offset,
                "record " + std::to_string(sequence) +
                    " does not follow the history before it: files of two copies of one journal "
                    "are mixed here");
}

Status decode_records(const FrameHeader& header, std::string_view payload,
                      const std::function<void(const Record&)>& visit) {
  for (uint32_t i = 0; i < header.record_count; ++i) {
    auto record = take_record(payload);
    if (!record) return record.error();
    record->sequence = header.first_sequence + i;
    visit(*record);
  }
  if (!payload.empty()) {
    return Error(ErrorClass::kCorrupt, "a frame with more bytes than its records have");
  }
  return {};
}

Status decode_records(const FrameHeader& header, std::string_view payload, uint64_t& fingerprint,
                      const std::function<void(const Record&)>& visit) {
  if (header.is_mark()) return {};
  fingerprint = fingerprint_at_frame(fingerprint, header.incarnation);
  const char* begin = payload.data();
  return decode_records(header, payload, [&](const Record& record) {
    // A record's bytes end with its fields, whose view lies in the payload also if it is empty.
    const char* end = record.fields.data() + record.fields.size();
    fingerprint = base::crc64({begin, static_cast<size_t>(end - begin)}, fingerprint);
    begin = end;
    Record with = record;
    with.fingerprint = fingerprint;
    visit(with);
  });
}

namespace {

// Reads the snapshot's parts to their ends.
Status walk_parts(const std::string& dir, base::FileSystem& fs, const Snapshot& snapshot) {
  for (const PartInfo& info : snapshot.parts) {
    auto part = PartReader::open(dir, fs, snapshot.journal_id, info);
    if (!part) {
      const Error& error = part.error();
      return error.cls() == ErrorClass::kNotFound ? missing_part(dir, info) : error;
    }
    for (;;) {
      auto group = (*part)->next();
      if (!group) return group.error();
      if (!*group) break;
    }
  }
  return {};
}

// A covered segment as far as headers tell.
SegmentReport covered_report(const SegmentInfo& info, uint64_t limit) {
  SegmentReport report;
  report.info = info;
  report.end_sequence = limit;
  report.records = limit - info.header.first_sequence;
  return report;
}

}  // namespace

Result<Examination> examine(const std::string& dir, base::FileSystem& fs,
                            const std::function<void(const Record&)>& visit, Scope scope) {
  auto folder = load_folder(dir, fs);
  if (!folder) return folder.error();
  Examination result;
  if (scope == Scope::kAll && folder->snapshot) {
    SLUICE_TRY(walk_parts(dir, fs, *folder->snapshot));
  }
  const uint64_t wanted = scope == Scope::kAll ? 1 : folder->tail_sequence();
  const auto visit_wanted = [&](const Record& record) {
    if (record.sequence >= wanted) visit(record);
  };
  for (size_t i = 0; i < folder->segments.size(); ++i) {
    const SegmentInfo& info = folder->segments[i];
    const bool newest = i + 1 == folder->segments.size();
    const uint64_t limit = newest ? kNoLimit : folder->segments[i + 1].header.first_sequence;
    if (limit <= wanted) {
      result.segments.push_back(covered_report(info, limit));
      continue;
    }
    auto file = fs.open(info.path, base::OpenMode::kRead);
    if (!file) return file.error();
    if (i > 0 && result.segments.back().read && result.fingerprint != info.header.fingerprint) {
      return other_history(info.path, 0, info.header.first_sequence);
    }
    SLUICE_TRY(SegmentWalk(info, **file, limit, result).run(visit_wanted));
  }
  result.snapshot = std::move(folder->snapshot);
  return result;
}

}  // namespace sluice::journal
