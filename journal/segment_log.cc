#include "journal/segment_log.h"

#include <algorithm>
#include <random>

#include "base/clock.h"
#include "base/failpoint.h"
#include "journal/fingerprint.h"

namespace sluice::journal {
namespace {

constexpr size_t kMarkBytes = frame_bytes(0);

// How far zeros go ahead of the frames: far enough for hundreds of small groups, near enough that
// the one that pays for them takes no longer than others.
constexpr size_t kZerosAhead = size_t{64} << 10;

uint64_t random_journal_id() {
  std::random_device device;
  uint64_t id = 0;
  while (id == 0) id = (uint64_t{device()} << 32) | device();
  return id;
}

Error not_recovered(const std::string& path) {
  return Error(ErrorClass::kInvalid, path + " was not recovered; recover() comes before start()");
}

}  // namespace

SegmentLog::SegmentLog(const WriterOptions& options, int64_t frame_bytes_max,
                       base::FileSystem& fs, SegmentSupply& supply, Room& room,
                       base::Histogram& fsync_us, std::function<Status()> settle)
    : options_(options), frame_bytes_max_(frame_bytes_max), fs_(fs), supply_(supply), room_(room),
      fsync_us_(fsync_us), settle_(std::move(settle)) {}

Status SegmentLog::open() {
  auto listed = list_segments(options_.dir, fs_);
  if (!listed) return listed.error();
  return listed->empty() ? begin_journal() : open_newest(listed->back());
}

Status SegmentLog::begin_journal() {
  header_.journal_id = random_journal_id();
  header_.proxy_id = options_.proxy_id;
  header_.shelves = options_.shelves;
  fingerprint_ = fingerprint_of(header_.journal_id);
  return begin_segment();
}

Status SegmentLog::open_newest(const SegmentInfo& info) {
  if (info.file_bytes < kSegmentHeaderBytes + kMarkBytes) return not_recovered(info.path);
  auto file = fs_.open(info.path, base::OpenMode::kReadWrite);
  if (!file) return file.error();
  std::string bytes(kMarkBytes, '\0');
  auto read = (*file)->pread(info.file_bytes - kMarkBytes, bytes.data(), bytes.size());
  if (!read) return read.error();
  const uint32_t seed = frame_seed(info.header.journal_id, info.header.segment);
  FrameHeader mark;
  std::string_view payload;
  if (decode_frame(bytes, seed, mark, payload) != FrameCheck::kWhole || !mark.is_mark()) {
    return not_recovered(info.path);
  }
  header_ = info.header;
  seed_ = seed;
  file_ = std::move(*file);
  offset_ = capacity_ = touched_ = info.file_bytes;
  next_sequence_ = mark.first_sequence;
  written_sequence_ = synced_sequence_ = mark.synced_sequence;
  order_id_max_ = mark.order_id_max;
  fingerprint_ = mark.fingerprint;
  marked_ = true;

  // Takes up the room that the last close gave back. A full disk only means that the next frame
  // goes to the next segment, once there is one.
  const auto wanted = static_cast<uint64_t>(options_.segment_bytes);
  const int64_t growth = static_cast<int64_t>(wanted) - static_cast<int64_t>(capacity_);
  auto free = fs_.free_bytes(options_.dir);
  if (!free) return free.error();
  const bool fits = supply_.bytes_used() + growth <= options_.bytes_max &&
                    static_cast<int64_t>(*free) >= growth + options_.free_bytes_min;
  if (growth > 0 && fits) {
    Status allocated = file_->allocate(wanted);
    if (allocated) {
      allocated = file_->sync();
      capacity_ = wanted;
    }
    if (!allocated && allocated.error().cls() != ErrorClass::kNoSpace) return allocated.error();
  }
  room_.add(Room::of_segment(free_bytes(), frame_bytes_max_));
  return {};
}

int64_t SegmentLog::free_bytes() const {
  return static_cast<int64_t>(capacity_) - static_cast<int64_t>(offset_ + buffer_.size());
}

void SegmentLog::raise_order_id(uint64_t order_id) {
  order_id_max_ = std::max(order_id_max_, order_id);
}

void SegmentLog::set_synced(uint64_t sequence) {
  synced_sequence_ = std::max(synced_sequence_, sequence);
}

Status SegmentLog::append(std::string_view records, uint32_t count) {
  const auto bytes = static_cast<int64_t>(frame_bytes(records.size()));
  SLUICE_ASSERT(bytes <= frame_bytes_max_, "a batch larger than a frame may be");
  // There is always room for the mark with which an orderly stop ends the segment.
  const int64_t kept = count == 0 ? 0 : static_cast<int64_t>(kMarkBytes);
  if (bytes + kept > free_bytes()) SLUICE_TRY(begin_segment());
  FrameHeader header;
  header.record_count = count;
  header.first_sequence = next_sequence_;
  header.synced_sequence = synced_sequence_;
  header.order_id_max = order_id_max_;
  header.incarnation = options_.incarnation;
  if (count > 0) {
    fingerprint_ = fingerprint_after_frame(fingerprint_, options_.incarnation, records);
  }
  header.fingerprint = fingerprint_;
  append_frame(buffer_, seed_, header, records);
  next_sequence_ += count;
  marked_ = count == 0;
  room_.add(-bytes);
  return {};
}

Status SegmentLog::write() {
  if (buffer_.empty()) return {};
  SLUICE_TRY(base::failpoint_status(base::Failpoint::kJournalBeforeWrite));
  const size_t frames = buffer_.size();
  buffer_.append(zeros_ahead(), '\0');
  SLUICE_TRY(file_->pwrite(offset_, buffer_));
  touched_ = std::max(touched_, offset_ + buffer_.size());
  offset_ += frames;
  buffer_.clear();
  written_sequence_ = next_sequence_ - 1;
  return {};
}

// How many zeros to write behind the buffer. They are what is read there anyway, so neither readers
// nor a crash can tell the difference. None where they pay nobody: while there are some, without a
// sync a group, behind a group so large that the next will hardly fit.
size_t SegmentLog::zeros_ahead() const {
  const uint64_t end = offset_ + buffer_.size();
  const bool pays = options_.fsync == FsyncPolicy::kAlways && buffer_.size() < kZerosAhead;
  if (!pays || end <= touched_) return 0;
  return static_cast<size_t>(std::min<uint64_t>(kZerosAhead, capacity_ - end));
}

Status SegmentLog::sync() {
  const int64_t start_us = base::monotonic_us();
  SLUICE_TRY(base::failpoint_status(base::Failpoint::kJournalBeforeSync));
  SLUICE_TRY(file_->sync());
  SLUICE_TRY(settle_());
  fsync_us_.observe(static_cast<uint64_t>(base::monotonic_us() - start_us));
  set_synced(written_sequence_);
  return {};
}

// Writes and syncs what the current segment holds, whatever the policy: a later segment is the
// proof that all before it is on disk.
Status SegmentLog::finish_segment() {
  if (!file_) return {};
  SLUICE_TRY(write());
  SLUICE_TRY(sync());
  room_.add(-Room::of_segment(free_bytes(), frame_bytes_max_));
  // Only gives room back, so it need not be synced; a reader that is still here sees the end.
  SLUICE_TRY(file_->truncate(offset_));
  return {};
}

Status SegmentLog::begin_segment() {
  auto next = supply_.take();
  if (!next) return next.error();
  SLUICE_TRY(finish_segment());
  header_.segment += 1;
  header_.first_sequence = next_sequence_;
  header_.order_id_max = order_id_max_;
  header_.created_ms = base::wall_ms();
  header_.fingerprint = fingerprint_;
  header_.incarnation = options_.incarnation;
  // The header is durable before the name is: a segment that exists is whole.
  SLUICE_TRY((*next)->pwrite(0, encode_segment_header(header_)));
  SLUICE_TRY((*next)->sync());
  const std::string path = path_in(options_.dir, segment_name(header_.segment));
  SLUICE_TRY(base::failpoint_status(base::Failpoint::kSegmentBeforeRename));
  SLUICE_TRY(fs_.rename((*next)->path(), path));
  SLUICE_TRY(base::failpoint_status(base::Failpoint::kSegmentAfterRename));
  SLUICE_TRY(fs_.sync_dir(options_.dir));
  supply_.renamed();
  seed_ = frame_seed(header_.journal_id, header_.segment);
  file_ = std::move(*next);
  offset_ = touched_ = kSegmentHeaderBytes;
  capacity_ = static_cast<uint64_t>(options_.segment_bytes);
  return {};
}

Status SegmentLog::close() {
  SLUICE_TRY(write());
  SLUICE_TRY(sync());
  if (!marked_) SLUICE_TRY(mark_end());
  SLUICE_TRY(file_->truncate(offset_));
  return file_->sync();
}

Status SegmentLog::mark_end() {
  SLUICE_TRY(append({}, 0));
  SLUICE_TRY(write());
  return sync();
}

}  // namespace sluice::journal
