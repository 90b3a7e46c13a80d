#include "journal/part.h"

#include <algorithm>
#include <utility>

#include "base/crc32c.h"
#include "journal/bytes.h"
#include "journal/examine.h"

namespace sluice::journal {
namespace {

constexpr std::string_view kNamePrefix = "snapshot-";
constexpr std::string_view kNameSuffix = ".part";

constexpr size_t kVersionAt = 8, kJournalIdAt = 16, kNumberAt = 24, kFirstSequenceAt = 32;
constexpr size_t kCrcAt = 60;

// Frames are closed at about this size: large enough for few of them, small enough for the window
// of whoever replays them.
constexpr size_t kPayloadBytesWanted = size_t{256} << 10;

// Synced so often, so that the sale's own fdatasyncs, on the same disk, never wait behind a flood.
constexpr uint64_t kSyncBytes = uint64_t{8} << 20;

// No segment's frame validates in a part: segments are not numbered that high.
constexpr uint64_t kPartSeedBit = uint64_t{1} << 63;

std::string encode_header(uint64_t journal_id, const PartInfo& info) {
  std::string out(kPartMagic, sizeof kPartMagic);
  put(out, kSnapshotVersion);
  put(out, uint32_t{0});  // reserved
  put(out, journal_id);
  put(out, info.number);
  put(out, info.first_sequence);
  out.append(kCrcAt - out.size(), '\0');
  put(out, base::crc32c(out));
  return out;
}

// "": it is the part that the manifest means.
std::string wrong_header(std::string_view bytes, uint64_t journal_id, const PartInfo& info) {
  if (bytes.size() < kPartHeaderBytes) return "the file ends within its header";
  if (bytes.substr(0, sizeof kPartMagic) != std::string_view(kPartMagic, sizeof kPartMagic)) {
    return "this is no part of a snapshot";
  }
  if (get<uint32_t>(bytes, kCrcAt) != base::crc32c(bytes.substr(0, kCrcAt))) {
    return "the part's header does not match its checksum";
  }
  if (const auto version = get<uint32_t>(bytes, kVersionAt); version != kSnapshotVersion) {
    return "format version " + std::to_string(version) + "; this program reads version " +
           std::to_string(kSnapshotVersion);
  }
  if (get<uint64_t>(bytes, kJournalIdAt) != journal_id) {
    return "this part belongs to another journal";
  }
  if (get<uint64_t>(bytes, kNumberAt) != info.number ||
      get<uint64_t>(bytes, kFirstSequenceAt) != info.first_sequence) {
    return "by its header this is part " + std::to_string(get<uint64_t>(bytes, kNumberAt)) +
           ", from record " + std::to_string(get<uint64_t>(bytes, kFirstSequenceAt)) + " on";
  }
  return "";
}

}  // namespace

std::string part_name(uint64_t number) { return numbered_name(kNamePrefix, number, kNameSuffix); }

uint64_t part_number(std::string_view name) {
  return number_in_name(kNamePrefix, name, kNameSuffix);
}

PartWriter::PartWriter(std::unique_ptr<base::File> file, uint64_t journal_id, const PartInfo& info)
    : file_(std::move(file)), seed_(frame_seed(journal_id, info.number | kPartSeedBit)),
      info_(info) {}

Result<std::unique_ptr<PartWriter>> PartWriter::create(const std::string& dir,
                                                       base::FileSystem& fs, uint64_t journal_id,
                                                       uint64_t number, uint64_t first_sequence) {
  auto file = fs.open(path_in(dir, part_name(number)), base::OpenMode::kReplace);
  if (!file) return file.error();
  const PartInfo info{number, first_sequence, first_sequence, 0, kPartHeaderBytes};
  SLUICE_TRY((*file)->pwrite(0, encode_header(journal_id, info)));
  return std::unique_ptr<PartWriter>(new PartWriter(std::move(*file), journal_id, info));
}

Status PartWriter::add(const Record& record) {
  const uint64_t expected = payload_first_ + payload_count_;
  SLUICE_ASSERT(record.sequence >= expected, "records of a part must come in order");
  if (payload_count_ > 0 && record.sequence != expected) {
    SLUICE_TRY(write_frame(payload_.size(), payload_count_));
  }
  if (payload_count_ == 0) payload_first_ = record.sequence;
  Record bare = record;
  bare.fields = {};
  append_record(payload_, bare);
  ++payload_count_;
  if (record.type == RecordType::kBuy) order_id_max_ = std::max(order_id_max_, record.order_id);
  // Groups come from frames of this or a larger size, so what came before must make room at most.
  if (payload_.size() <= kPayloadBytesMax) return {};
  return write_frame(group_at_, group_at_count_);
}

Status PartWriter::end_group() {
  group_at_ = payload_.size();
  group_at_count_ = payload_count_;
  if (payload_.size() < kPayloadBytesWanted) return {};
  return write_frame(payload_.size(), payload_count_);
}

// Writes the first `count` records as a frame; the rest stays for the next one.
Status PartWriter::write_frame(size_t payload_bytes, uint32_t count) {
  if (count == 0) return {};
  FrameHeader header;
  header.record_count = count;
  header.first_sequence = payload_first_;
  header.synced_sequence = payload_first_ - 1;
  header.order_id_max = order_id_max_;
  frame_.clear();
  append_frame(frame_, seed_, header, std::string_view(payload_).substr(0, payload_bytes));
  SLUICE_TRY(file_->pwrite(info_.bytes, frame_));
  info_.bytes += frame_.size();
  info_.records += count;
  payload_.erase(0, payload_bytes);
  payload_first_ += count;
  payload_count_ -= count;
  group_at_ = 0;
  group_at_count_ = 0;
  if (info_.bytes - synced_bytes_ < kSyncBytes) return {};
  synced_bytes_ = info_.bytes;
  return file_->sync();
}

Result<PartInfo> PartWriter::finish(uint64_t end_sequence) {
  SLUICE_TRY(write_frame(payload_.size(), payload_count_));
  SLUICE_TRY(file_->sync());
  SLUICE_TRY(file_->close());
  info_.end_sequence = end_sequence;
  return info_;
}

PartReader::PartReader(std::unique_ptr<base::File> file, uint64_t journal_id, const PartInfo& info)
    : file_(std::move(file)), info_(info),
      scanner_(*file_, frame_seed(journal_id, info.number | kPartSeedBit), kPartHeaderBytes),
      next_sequence_(info.first_sequence) {}

Error missing_part(const std::string& dir, const PartInfo& info) {
  return Error(ErrorClass::kCorrupt, path_in(dir, part_name(info.number)) +
                                         " is missing, but the snapshot needs it; put it back "
                                         "from a backup, or see docs/journal_format.md, "
                                         "\"Damage\"");
}

Result<std::unique_ptr<PartReader>> PartReader::open(const std::string& dir, base::FileSystem& fs,
                                                     uint64_t journal_id, const PartInfo& info) {
  const std::string path = path_in(dir, part_name(info.number));
  auto file = fs.open(path, base::OpenMode::kRead);
  if (!file) return file.error();
  std::string bytes(kPartHeaderBytes, '\0');
  auto read = (*file)->pread(0, bytes.data(), bytes.size());
  if (!read) return read.error();
  bytes.resize(*read);
  if (std::string wrong = wrong_header(bytes, journal_id, info); !wrong.empty()) {
    return damage(path, 0, wrong);
  }
  auto size = (*file)->size();
  if (!size) return size.error();
  if (*size != info.bytes) {
    return damage(path, std::min(*size, info.bytes),
                  "the file has " + std::to_string(*size) + " bytes, the snapshot says " +
                      std::to_string(info.bytes));
  }
  return std::unique_ptr<PartReader>(new PartReader(std::move(*file), journal_id, info));
}

Result<std::optional<Group>> PartReader::next() {
  const std::string& path = file_->path();
  const uint64_t offset = scanner_.offset();
  if (offset == info_.bytes) {
    if (records_ == info_.records) return std::optional<Group>();
    return damage(path, offset, "the part has " + std::to_string(records_) +
                                    " records, the snapshot says " + std::to_string(info_.records));
  }
  Frame frame;
  auto found = scanner_.next(frame);
  if (!found) return found.error();
  if (*found != FrameScanner::Found::kFrame) {
    return damage(path, offset, std::string("there should be a frame, but there is ") +
                                    describe(scanner_.check()));
  }
  if (frame.header.is_mark() || frame.header.first_sequence < next_sequence_ ||
      frame.header.end_sequence() > info_.end_sequence) {
    return damage(path, offset, "a frame with records " +
                                    std::to_string(frame.header.first_sequence) + " to " +
                                    std::to_string(frame.header.end_sequence() - 1) +
                                    " does not belong here");
  }
  Group group;
  const Status decoded = decode_records(frame.header, frame.payload, [&](const Record& record) {
    group.records.push_back(record);
  });
  if (!decoded) return damage(path, offset, decoded.error().message());
  next_sequence_ = frame.header.end_sequence();
  records_ += frame.header.record_count;
  group.end_sequence = next_sequence_;
  return std::optional<Group>(std::move(group));
}

}  // namespace sluice::journal
