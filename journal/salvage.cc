#include "journal/salvage.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <utility>

#include "journal/bytes.h"
#include "journal/examine.h"
#include "journal/frame_scanner.h"
#include "journal/part.h"
#include "journal/segment.h"
#include "journal/snapshot.h"

namespace sluice::journal {
namespace {

using Visit = std::function<void(const Record&)>;

// Where a whole frame begins at or behind `offset`; nullopt: nowhere.
Result<std::optional<uint64_t>> find_frame(base::File& file, uint32_t seed, uint64_t offset) {
  constexpr size_t kStep = size_t{2} << 20, kWindow = kStep + kFrameBytesMax;
  const auto buffer = std::make_unique_for_overwrite<char[]>(kWindow);
  offset = (offset + kFrameAlignment - 1) / kFrameAlignment * kFrameAlignment;
  for (;; offset += kStep) {
    auto read = file.pread(offset, buffer.get(), kWindow);
    if (!read) return read.error();
    const std::string_view window(buffer.get(), *read);
    for (size_t i = 0; i < kStep && i + kFrameHeaderBytes <= window.size(); i += kFrameAlignment) {
      FrameHeader header;
      std::string_view payload;
      if (get<uint32_t>(window, i) != kFrameMagic) continue;
      if (decode_frame(window.substr(i), seed, header, payload) == FrameCheck::kWhole) {
        return std::optional<uint64_t>(offset + i);
      }
    }
    if (*read < kWindow) return std::optional<uint64_t>();
  }
}

class Salvager {
 public:
  Salvager(const std::string& dir, base::FileSystem& fs, const Visit& visit)
      : dir_(dir), fs_(fs), visit_(visit) {}

  Result<Salvage> headers() {
    auto entries = fs_.list(dir_);
    if (!entries) return entries.error();
    for (const auto& entry : *entries) look_at_header(entry.name);
    return found_;
  }

  Result<Salvage> run() {
    SLUICE_TRY(headers());
    if (found_.journal_id == 0) return found_;
    auto entries = fs_.list(dir_);
    if (!entries) return entries.error();
    read_snapshot();
    expected_ = found_.covered;
    for (const auto& entry : *entries) {
      const uint64_t number = segment_number(entry.name);
      if (number != 0) read_segment(path_in(dir_, entry.name), number);
    }
    found_.end_sequence = std::max(found_.end_sequence, expected_);
    return found_;
  }

 private:
  void damaged(const std::string& what) { found_.damage.push_back(what); }

  // The newest readable header counts.
  void look_at_header(const std::string& name) {
    if (segment_number(name) == 0) return;
    auto file = fs_.open(path_in(dir_, name), base::OpenMode::kRead);
    const auto header = file ? read_segment_header(**file) : Result<SegmentHeader>(file.error());
    if (!header) return damaged(header.error().message());
    found_.journal_id = header->journal_id;
    found_.proxy_id = header->proxy_id;
    found_.shelves = header->shelves;
    found_.order_id_max = std::max(found_.order_id_max, header->order_id_max);
  }

  void read_snapshot() {
    auto snapshot = load_snapshot(dir_, fs_);
    if (!snapshot) return damaged(snapshot.error().message());
    if (!*snapshot) return;
    if ((*snapshot)->journal_id != found_.journal_id) {
      return damaged(path_in(dir_, kSnapshotName) + " belongs to another journal");
    }
    found_.covered = (*snapshot)->end_sequence;
    found_.retired_ms = (*snapshot)->retired_ms;
    found_.order_id_max = std::max(found_.order_id_max, (*snapshot)->order_id_max);
    for (const PartInfo& info : (*snapshot)->parts) read_part(**snapshot, info);
  }

  void read_part(const Snapshot& snapshot, const PartInfo& info) {
    const auto lost = [&](const Error& error, uint64_t from) {
      damaged(error.message());
      // The segments may still have them; those that have not are told then.
      found_.covered = std::min(found_.covered, from);
    };
    uint64_t next = info.first_sequence;
    auto part = PartReader::open(dir_, fs_, snapshot.journal_id, info);
    if (!part) return lost(part.error(), next);
    for (;;) {
      auto group = (*part)->next();
      if (!group) return lost(group.error(), next);
      if (!*group) return;
      for (const Record& record : (*group)->records) {
        if (snapshot.holds(record)) visit_(record);
      }
      next = (*group)->end_sequence;
    }
  }

  void read_segment(const std::string& path, uint64_t number) {
    auto file = fs_.open(path, base::OpenMode::kRead);
    if (!file) return damaged(file.error().message());
    const uint32_t seed = frame_seed(found_.journal_id, number);
    std::optional<FrameScanner> scanner(std::in_place, **file, seed, kSegmentHeaderBytes);
    for (;;) {
      Frame frame;
      auto next = scanner->next(frame);
      if (!next) return damaged(next.error().message());
      if (*next == FrameScanner::Found::kFrame) {
        take(path, frame);
        continue;
      }
      auto further = find_frame(**file, seed, scanner->offset() + kFrameAlignment);
      if (!further) return damaged(further.error().message());
      if (*next == FrameScanner::Found::kInvalid || *further) {
        damaged(path + ", offset " + std::to_string(scanner->offset()) + ": " +
                describe(scanner->check()));
      }
      if (!*further) return;
      scanner.emplace(**file, seed, **further);
    }
  }

  void take(const std::string& path, const Frame& frame) {
    const FrameHeader& header = frame.header;
    found_.order_id_max = std::max(found_.order_id_max, header.order_id_max);
    if (header.first_sequence > expected_) {
      found_.gaps.push_back({expected_, header.first_sequence});
    }
    const Status decoded = decode_records(header, frame.payload, visit_);
    if (!decoded)
      damaged(path + ", offset " + std::to_string(frame.offset) + ": " + decoded.error().message());
    expected_ = std::max(expected_, header.end_sequence());
  }

  const std::string dir_;
  base::FileSystem& fs_;
  const Visit& visit_;
  Salvage found_;
  uint64_t expected_ = 1;
};

}  // namespace

Result<Salvage> salvage_header(const std::string& dir, base::FileSystem& fs) {
  const Visit none;
  return Salvager(dir, fs, none).headers();
}

Result<Salvage> salvage(const std::string& dir, base::FileSystem& fs, const Visit& visit) {
  return Salvager(dir, fs, visit).run();
}

}  // namespace sluice::journal
