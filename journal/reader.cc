#include "journal/reader.h"

#include <algorithm>
#include <utility>

#include "base/clock.h"
#include "journal/examine.h"
#include "journal/frame_scanner.h"
#include "journal/segment.h"

namespace sluice::journal {
namespace {

// How often a reader at the end looks more closely: an invalid frame that stays, a missing segment.
constexpr int64_t kCloseLookPeriodUs = 1'000'000;
// How far behind it: a few of the largest frames. Recovery and verify look at all of it.
constexpr uint64_t kCloseLookBytes = 4 * kFrameBytesMax;

// Why a restarted writer does not confuse a reader: recovery keeps every whole frame up to the
// first invalid one, and a reader never gets past an invalid one; so what was handed out stays,
// with its sequences, be it in the old segment or rewritten into the next. And what was handed out
// was fdatasynced here first, so that a power cut does not take it back either. Reading goes on by
// sequence: in the next segment, records already handed out are passed over.
class FollowingReader final : public Reader {
 public:
  FollowingReader(std::string dir, base::FileSystem& fs, uint64_t from)
      : dir_(std::move(dir)), fs_(fs), wanted_(std::max<uint64_t>(from, 1)) {}

  Status open();

  Result<std::optional<Group>> next() override;
  uint64_t end_sequence() const override { return expected_; }
  uint64_t fingerprint() const override { return fingerprint_; }
  uint64_t journal_id() const override { return info_.header.journal_id; }

 private:
  enum class AtEnd { kNothingYet, kTryAgain };

  Status enter(SegmentInfo info, bool newest);
  Result<bool> advance(Frame& frame);
  Result<FrameScanner::Found> scan_again(Frame& frame);
  Result<AtEnd> look_further();
  Result<AtEnd> look_closely();
  Result<AtEnd> pass_over_deleted(uint64_t oldest);
  Status make_durable(const FrameHeader& header);
  Result<Group> group_of(const Frame& frame);
  Result<std::optional<SegmentInfo>> next_segment(uint64_t number);
  Error missing(uint64_t evidence_segment);

  const std::string dir_;
  base::FileSystem& fs_;
  uint64_t wanted_;                 // sequence of the next record to hand out
  SegmentInfo info_;                // of the current segment
  bool newest_ = false;             // no later segment was seen yet
  std::unique_ptr<base::File> file_;
  std::optional<FrameScanner> scanner_;
  uint64_t expected_ = 0;           // first sequence of the frame at the scanner's offset
  uint64_t fingerprint_ = 0;        // of all records before that
  uint64_t known_synced_ = 0;       // the writer says so in a frame
  uint64_t fills_synced_ = 0;       // scanner_->fills() at the last fdatasync
  int64_t looked_closely_us_ = 0;
  std::optional<Error> failure_;    // sticks: neither damage nor a failed fdatasync goes away
};

Error below_oldest(const std::string& dir, uint64_t wanted, const SegmentInfo& oldest) {
  return Error(ErrorClass::kCorrupt,
               "record " + std::to_string(wanted) + " is wanted, but the journal in " + dir +
                   " begins with record " + std::to_string(oldest.header.first_sequence) +
                   " (" + oldest.path + "): segments were deleted before they were drained; put "
                   "them back");
}

Status FollowingReader::open() {
  auto listed = list_segments(dir_, fs_);
  if (!listed) return listed.error();
  if (listed->empty()) return Error(ErrorClass::kNotFound, "no journal in " + dir_ + " yet");
  if (wanted_ < listed->front().header.first_sequence) {
    return below_oldest(dir_, wanted_, listed->front());
  }
  auto chosen = std::find_if(listed->rbegin(), listed->rend(), [&](const SegmentInfo& info) {
    return info.header.first_sequence <= wanted_;
  });
  const bool newest = chosen == listed->rbegin();
  fingerprint_ = chosen->header.fingerprint;
  return enter(std::move(*chosen), newest);
}

Status FollowingReader::enter(SegmentInfo info, bool newest) {
  auto file = fs_.open(info.path, base::OpenMode::kRead);
  if (!file) return file.error();
  scanner_.reset();  // it refers to file_
  file_ = std::move(*file);
  info_ = std::move(info);
  newest_ = newest;
  const bool follows = expected_ == info_.header.first_sequence;
  if (follows && fingerprint_ != info_.header.fingerprint) {
    return other_history(info_.path, 0, expected_);
  }
  // Else recovery has copied here what was read before.
  fingerprint_ = info_.header.fingerprint;
  expected_ = info_.header.first_sequence;
  known_synced_ = std::max(known_synced_, expected_ - 1);
  fills_synced_ = 0;
  scanner_.emplace(*file_, frame_seed(info_.header.journal_id, info_.header.segment),
                   kSegmentHeaderBytes);
  return {};
}

Result<std::optional<Group>> FollowingReader::next() {
  if (failure_) return *failure_;
  for (;;) {
    Frame frame;
    auto advanced = advance(frame);
    if (!advanced) {
      failure_ = advanced.error();
      return *failure_;
    }
    if (!*advanced) return std::optional<Group>();
    known_synced_ = std::max(known_synced_, frame.header.synced_sequence);
    const bool is_wanted = frame.header.end_sequence() > wanted_;  // no mark, not handed out before
    const Status durable = is_wanted ? make_durable(frame.header) : Status();
    auto group = durable ? group_of(frame) : Result<Group>(durable.error());
    if (group) expected_ = frame.header.end_sequence();
    if (group && !is_wanted) continue;
    if (!group) {
      failure_ = group.error();
      return *failure_;
    }
    return std::optional<Group>(std::move(*group));
  }
}

// The frame that begins with expected_; false: there is none yet.
Result<bool> FollowingReader::advance(Frame& frame) {
  for (;;) {
    auto found = scanner_->next(frame);
    if (!found) return found.error();
    // What is buffered may be older than the file.
    if (*found != FrameScanner::Found::kFrame) found = scan_again(frame);
    if (!found) return found.error();
    if (*found == FrameScanner::Found::kFrame) {
      if (frame.header.first_sequence == expected_) return true;
      return damage(info_.path, frame.offset,
                    "a frame that begins with record " +
                        std::to_string(frame.header.first_sequence) + " where record " +
                        std::to_string(expected_) + " should follow");
    }
    auto further = look_further();
    if (!further) return further.error();
    if (*further == AtEnd::kNothingYet) return false;
  }
}

Result<FrameScanner::Found> FollowingReader::scan_again(Frame& frame) {
  scanner_->refresh();
  return scanner_->next(frame);
}

// At bytes that are no frame: the end for now, the end of this segment, or damage. kTryAgain: the
// scanner stands where a frame may be now.
Result<FollowingReader::AtEnd> FollowingReader::look_further() {
  auto later = next_segment(info_.header.segment + 1);
  if (!later) return later.error();
  if (!*later) return look_closely();
  newest_ = false;
  // The writer may have added frames here before it began the next segment: look once more, now
  // that nothing more can come.
  const uint64_t offset = scanner_->offset();
  Frame frame;
  auto found = scan_again(frame);
  if (!found) return found.error();
  if (*found == FrameScanner::Found::kFrame) {
    scanner_.emplace(*file_, frame_seed(info_.header.journal_id, info_.header.segment), offset);
    fills_synced_ = 0;
    return AtEnd::kTryAgain;
  }
  if ((*later)->header.first_sequence > expected_) {
    return damage(info_.path, offset,
                  "record " + std::to_string(expected_) + " should be here, but there is none (" +
                      describe(scanner_->check()) + "); the next segment begins with record " +
                      std::to_string((*later)->header.first_sequence));
  }
  auto after_it = next_segment(info_.header.segment + 2);
  if (!after_it) return after_it.error();
  SLUICE_TRY(enter(std::move(**later), !*after_it));
  return AtEnd::kTryAgain;
}

// Nothing follows, at first sight. What would prove that something is missing costs too much to
// look for at every poll.
Result<FollowingReader::AtEnd> FollowingReader::look_closely() {
  const int64_t now_us = base::monotonic_us();
  if (looked_closely_us_ != 0 && now_us - looked_closely_us_ < kCloseLookPeriodUs) {
    return AtEnd::kNothingYet;
  }
  looked_closely_us_ = now_us;
  auto entries = fs_.list(dir_);
  if (!entries) return entries.error();
  std::erase_if(*entries, [](const auto& entry) { return segment_number(entry.name) == 0; });
  auto later = next_segment(info_.header.segment + 1);
  if (!later) return later.error();
  if (*later) return AtEnd::kTryAgain;
  if (!entries->empty()) {
    const uint64_t oldest = segment_number(entries->front().name);
    if (oldest > info_.header.segment) return pass_over_deleted(oldest);
    const uint64_t last = segment_number(entries->back().name);
    if (last > info_.header.segment) return missing(last);
  }
  if (wanted_ > expected_) {
    return damage(info_.path, scanner_->offset(),
                  "the journal ends with record " + std::to_string(expected_ - 1) +
                      ", but records up to " + std::to_string(wanted_ - 1) +
                      " were read from it before: it is an older copy");
  }

  auto evidence = examine_tail(*file_, frame_seed(info_.header.journal_id, info_.header.segment),
                               scanner_->offset(), expected_, kCloseLookBytes);
  if (!evidence) return evidence.error();
  if (evidence->later_frame == 0) return AtEnd::kNothingYet;
  // A read may see a later write and miss an earlier one beside it; what is still invalid after
  // the later one was seen is damage.
  const uint64_t offset = scanner_->offset();
  Frame frame;
  auto found = scan_again(frame);
  if (!found) return found.error();
  if (*found != FrameScanner::Found::kFrame) {
    return damage(info_.path, offset,
                  "record " + std::to_string(expected_) +
                      " should be here and was synced (says the frame at offset " +
                      std::to_string(evidence->later_frame) + "), but there is none (" +
                      describe(scanner_->check()) + ")");
  }
  scanner_.emplace(*file_, frame_seed(info_.header.journal_id, info_.header.segment), offset);
  fills_synced_ = 0;
  return AtEnd::kTryAgain;
}

// The current segment and some behind it were deleted as drained, while nobody read on: they had
// nothing that was not handed out.
Result<FollowingReader::AtEnd> FollowingReader::pass_over_deleted(uint64_t oldest) {
  auto left = next_segment(oldest);
  if (!left) return left.error();
  if (!*left) return AtEnd::kNothingYet;  // deleted too: to be looked for once more
  if ((*left)->header.first_sequence > wanted_) return missing(oldest);
  auto after_it = next_segment(oldest + 1);
  if (!after_it) return after_it.error();
  SLUICE_TRY(enter(std::move(**left), !*after_it));
  return AtEnd::kTryAgain;
}

Error FollowingReader::missing(uint64_t evidence_segment) {
  return Error(ErrorClass::kCorrupt,
               path_in(dir_, segment_name(info_.header.segment + 1)) + " is missing, but " +
                   path_in(dir_, segment_name(evidence_segment)) +
                   " is there; put the file back from a backup");
}

// The segment with that number, checked against the current one; nullopt: there is none.
Result<std::optional<SegmentInfo>> FollowingReader::next_segment(uint64_t number) {
  SegmentInfo info;
  info.path = path_in(dir_, segment_name(number));
  auto file = fs_.open(info.path, base::OpenMode::kRead);
  if (!file) {
    if (file.error().cls() == ErrorClass::kNotFound) return std::optional<SegmentInfo>();
    return file.error();
  }
  auto header = read_segment_header(**file);
  if (!header) return header.error();
  if (header->journal_id != info_.header.journal_id) {
    return damage(info.path, 0, "this segment belongs to another journal than " + info_.path);
  }
  if (header->segment != number) {
    return damage(info.path, 0, "by its header this is segment " + std::to_string(header->segment));
  }
  info.header = *header;
  return std::optional<SegmentInfo>(std::move(info));
}

// One fdatasync for all that the last read brought, and none where the writer vouches for it: in
// every segment but the newest, and below the synced sequence that the frames carry.
Status FollowingReader::make_durable(const FrameHeader& header) {
  if (!newest_ || header.end_sequence() - 1 <= known_synced_) return {};
  if (fills_synced_ == scanner_->fills()) return {};
  SLUICE_TRY(file_->sync());
  fills_synced_ = scanner_->fills();
  return {};
}

// The frame's records from wanted_ on; moves the fingerprint to its end.
Result<Group> FollowingReader::group_of(const Frame& frame) {
  Group group;
  // The count is under a checksum, but memory is not taken on its word alone.
  const size_t most = frame.payload.size() / kRecordFixedBytes;
  group.records.reserve(std::min<size_t>(frame.header.record_count, most));
  group.before = fingerprint_;
  const Status decoded =
      decode_records(frame.header, frame.payload, fingerprint_, [&](const Record& record) {
        if (record.sequence >= wanted_)
          group.records.push_back(record);
        else
          group.before = record.fingerprint;
      });
  if (!decoded) return damage(info_.path, frame.offset, decoded.error().message());
  if (fingerprint_ != frame.header.fingerprint) {
    return other_history(info_.path, frame.offset, frame.header.first_sequence);
  }
  wanted_ = std::max(wanted_, frame.header.end_sequence());
  group.end_sequence = wanted_;
  return group;
}

}  // namespace

Result<std::unique_ptr<Reader>> Reader::open(const std::string& dir, base::FileSystem& fs,
                                             uint64_t from) {
  auto reader = std::make_unique<FollowingReader>(dir, fs, from);
  SLUICE_TRY(reader->open());
  return std::unique_ptr<Reader>(std::move(reader));
}

Result<std::vector<uint64_t>> fingerprints(const std::string& dir, base::FileSystem& fs,
                                           std::span<const uint64_t> sequences) {
  std::vector<uint64_t> found;
  if (sequences.empty()) return found;
  auto reader = Reader::open(dir, fs, sequences.front());
  if (!reader) return reader.error();
  // `fingerprint` is that of all records below `end`.
  const auto take = [&](uint64_t end, uint64_t fingerprint) {
    while (found.size() < sequences.size() && sequences[found.size()] == end) {
      found.push_back(fingerprint);
    }
  };
  for (bool first = true; found.size() < sequences.size(); first = false) {
    auto group = (*reader)->next();
    if (!group) return group.error();
    if (!*group) {
      if (first) take((*reader)->end_sequence(), (*reader)->fingerprint());
      break;
    }
    if (first) take((*group)->records.front().sequence, (*group)->before);
    for (const Record& record : (*group)->records) take(record.sequence + 1, record.fingerprint);
  }
  if (found.size() == sequences.size()) return found;
  return Error(ErrorClass::kCorrupt, "the journal in " + dir + " ends before record " +
                                         std::to_string(sequences[found.size()] - 1));
}

}  // namespace sluice::journal
