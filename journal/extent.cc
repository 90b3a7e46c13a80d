#include <algorithm>
#include <utility>

#include "journal/examine.h"
#include "journal/frame_scanner.h"
#include "journal/reader.h"
#include "journal/segment.h"

namespace sluice::journal {
namespace {

// How often a segment may be gone before it can be opened: each time the flusher must have deleted
// some in between.
constexpr int kLooksMax = 20;

int64_t time_of_last_record(const Frame& frame) {
  int64_t time_ms = 0;
  // The checksum is right; a record that still cannot be read is for the reader to refuse.
  (void)decode_records(frame.header, frame.payload,
                       [&](const Record& record) { time_ms = record.time_ms; });
  return time_ms;
}

}  // namespace

struct ExtentProbe::Newest {
  Newest(std::unique_ptr<base::File> opened, const SegmentHeader& found)
      : file(std::move(opened)), header(found), end_sequence(found.first_sequence),
        scanner(*file, frame_seed(found.journal_id, found.segment), kSegmentHeaderBytes) {}

  // Goes on to the last whole frame; its last record's time, or `time_ms` if there is no new one.
  Result<int64_t> follow(int64_t time_ms) {
    scanner.refresh();
    for (;;) {
      Frame frame;
      auto found = scanner.next(frame);
      if (!found) return found.error();
      if (*found != FrameScanner::Found::kFrame) return time_ms;
      end_sequence = frame.header.end_sequence();
      incarnation = frame.header.incarnation;
      // The view is gone with the next frame, so the last one is known only too late: decode the
      // last frame of each chunk at the least, that is every one. Cheap beside the checksums.
      if (!frame.header.is_mark()) time_ms = time_of_last_record(frame);
    }
  }

  const std::unique_ptr<base::File> file;
  const SegmentHeader header;
  uint64_t end_sequence;
  uint64_t incarnation = header.incarnation;
  FrameScanner scanner;
};

ExtentProbe::ExtentProbe(std::string dir, base::FileSystem& fs) : dir_(std::move(dir)), fs_(fs) {}
ExtentProbe::~ExtentProbe() = default;

Status ExtentProbe::enter(uint64_t segment) {
  const std::string path = path_in(dir_, segment_name(segment));
  auto file = fs_.open(path, base::OpenMode::kRead);
  if (!file) return file.error();
  auto header = read_segment_header(**file);
  if (!header) return header.error();
  newest_ = std::make_unique<Newest>(std::move(*file), *header);
  auto time_ms = newest_->follow(last_time_ms_);
  if (!time_ms) return time_ms.error();
  last_time_ms_ = *time_ms;
  return {};
}

Result<JournalExtent> ExtentProbe::read() {
  for (int looks = 1;; ++looks) {
    auto entries = fs_.list(dir_);
    if (!entries) return entries.error();
    std::erase_if(*entries, [](const auto& entry) { return segment_number(entry.name) == 0; });
    if (entries->empty()) return Error(ErrorClass::kNotFound, "no journal in " + dir_ + " yet");
    auto extent = look_at(std::move(*entries));
    if (extent || extent.error().cls() != ErrorClass::kNotFound || looks == kLooksMax) {
      return extent;
    }
  }
}

// `listed`: at least one segment, by their numbers. kNotFound: one of them is gone meanwhile.
Result<JournalExtent> ExtentProbe::look_at(std::vector<base::DirectoryEntry> listed) {
  const uint64_t oldest = segment_number(listed.front().name);
  const uint64_t newest = segment_number(listed.back().name);

  if (!newest_ || newest_->header.segment != newest) {
    // The newest may hold no record yet; then the last time is in one of those before.
    last_time_ms_ = 0;
    for (uint64_t segment = newest; last_time_ms_ == 0 && segment > oldest; --segment) {
      SLUICE_TRY(enter(segment));
    }
    if (last_time_ms_ == 0) SLUICE_TRY(enter(oldest));
    if (newest_->header.segment != newest) SLUICE_TRY(enter(newest));
  } else {
    auto time_ms = newest_->follow(last_time_ms_);
    if (!time_ms) return time_ms.error();
    last_time_ms_ = *time_ms;
  }
  if (oldest != oldest_segment_) {
    const std::string path = path_in(dir_, listed.front().name);
    auto file = fs_.open(path, base::OpenMode::kRead);
    if (!file) return file.error();
    auto header = read_segment_header(**file);
    if (!header) return header.error();
    first_sequence_ = header->first_sequence;
    oldest_segment_ = oldest;
  }

  JournalExtent extent;
  extent.journal_id = newest_->header.journal_id;
  extent.proxy_id = newest_->header.proxy_id;
  extent.shelves = newest_->header.shelves;
  extent.incarnation = newest_->incarnation;
  extent.first_sequence = first_sequence_;
  extent.last_sequence = newest_->end_sequence - 1;
  extent.last_time_ms = last_time_ms_;
  listed.pop_back();
  for (const auto& entry : listed) {  // closed segments end with their last frame
    extent.bytes += static_cast<int64_t>(entry.bytes) - static_cast<int64_t>(kSegmentHeaderBytes);
  }
  extent.bytes += static_cast<int64_t>(newest_->scanner.offset() - kSegmentHeaderBytes);
  return extent;
}

Result<JournalExtent> extent(const std::string& dir, base::FileSystem& fs) {
  return ExtentProbe(dir, fs).read();
}

}  // namespace sluice::journal
