// Input: what happened to a journal folder, a letter at a time: what a writer wrote, with numbers
// of the fuzzer's choice under right checksums, and what was damaged afterwards (Story).
//
// Reader, verify, history and recovery read the same folder: they agree on what it holds, recovery
// leaves a folder that all of them accept, and what it refuses it does not touch. Where a checksum
// seals numbers that no writer writes, verify may pass over what the others refuse.
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "fuzz/input.h"
#include "fuzz/targets.h"
#include "journal/bytes.h"
#include "journal/examine.h"
#include "journal/history.h"
#include "journal/part.h"
#include "journal/reader.h"
#include "journal/recovery.h"
#include "sim_file_system.h"

namespace sluice::fuzz {
namespace {

using namespace journal;
using crash::SimFileSystem;

const std::string kDir = "journal";
constexpr size_t kStepsMax = 64;

std::string encoded(const Record& record) {
  std::string bytes;
  append_record(bytes, record);
  return bytes;
}

// Makes a folder by what the input says. Everything else here only reads it.
class Story {
 public:
  explicit Story(std::string_view input) : in_(input) {
    SLUICE_ASSERT(fs_.make_dir(kDir).ok(), "a folder in memory");
    begin_segment();
    for (size_t i = 0; i < kStepsMax && !in_.empty(); ++i) step();
  }
  SimFileSystem& fs() { return fs_; }
  // All numbers under checksums are such as a writer writes.
  bool is_plausible() const { return plausible_; }

 private:
  void step() {
    switch (in_.number<char>()) {
      case 'f': return write_frame();
      case 'F': return write_any_frame();
      case 'm': return write_mark();
      case 's': return begin_segment();
      case 'S': return begin_any_segment();
      case 'p': return write_snapshot();
      case 'j': return append(in_.bytes(in_.choice(64)));
      case 'z': return append(std::string(in_.choice(16) * 8, '\0'));
      case 'x': return flip();
      case 't': return truncate();
      case 'd': return remove();
      default: return;
    }
  }

  void append(std::string_view bytes) {
    auto file = fs_.open(path_, base::OpenMode::kReadWrite);
    if (!file) return;  // it was removed
    SLUICE_ASSERT((*file)->pwrite(*(*file)->size(), bytes).ok(), "a write to memory");
  }

  void begin(const SegmentHeader& header) {
    header_ = header;
    path_ = path_in(kDir, segment_name(header.segment));
    auto file = fs_.open(path_, base::OpenMode::kReplace);
    SLUICE_ASSERT(file.ok() && (*file)->pwrite(0, encode_segment_header(header)).ok(),
                  "a write to memory");
  }
  void begin_segment() {
    begin({.journal_id = 7, .segment = header_.segment + 1,
           .first_sequence = next_, .order_id_max = order_id_, .created_ms = 1});
  }
  void begin_any_segment() {
    plausible_ = false;
    SegmentHeader header{.journal_id = in_.number<uint8_t>(),
                         .segment = in_.number<uint64_t>() % kFileNumberMax + 1,
                         .first_sequence = in_.number<uint64_t>(),
                         .order_id_max = in_.number<uint64_t>(),
                         .created_ms = in_.number<int64_t>()};
    next_ = header.first_sequence;
    begin(header);
  }

  void seal(FrameHeader header, std::string_view payload) {
    std::string frame;
    append_frame(frame, frame_seed(header_.journal_id, header_.segment), header, payload);
    append(frame);
  }
  void write_frame() {
    std::string payload;
    const size_t count = 1 + in_.choice(4);
    FrameHeader header{.record_count = static_cast<uint32_t>(count),
                       .first_sequence = next_, .synced_sequence = synced_};
    for (size_t i = 0; i < count; ++i) payload += record();
    header.order_id_max = order_id_;
    if (synced_ < header.first_sequence) seal(header, payload);
  }
  std::string record() {
    static constexpr std::string_view kNames[] = {"a", "b", "c"};
    Record record;
    record.type = static_cast<RecordType>(1 + in_.choice(8));
    record.sequence = next_++;
    record.time_ms = in_.number<int16_t>();
    record.lane_sequence = ++batch_;
    record.item = kNames[in_.choice(3)];
    record.user = "u";
    record.order_id = record.type == RecordType::kBuy ? ++order_id_ : 0;
    record.quantity = in_.number<int8_t>();
    records_.push_back(record);
    return encoded(record);
  }
  void write_any_frame() {
    plausible_ = false;
    FrameHeader header{.record_count = in_.number<uint8_t>(),
                       .first_sequence = in_.number<uint64_t>(),
                       .synced_sequence = in_.number<uint64_t>(),
                       .order_id_max = in_.number<uint64_t>()};
    if (header.synced_sequence < header.first_sequence) seal(header, in_.bytes(in_.choice(256)));
  }
  void write_mark() {
    if (next_ == 0) return;
    synced_ = next_ - 1;
    seal({.first_sequence = next_, .synced_sequence = synced_, .order_id_max = order_id_}, "");
  }

  // Of the records so far, but for as many as the input says, in one part.
  void write_snapshot() {
    const size_t left_out = in_.choice(4);
    if (records_.size() <= left_out) return;
    Snapshot snapshot;
    snapshot.journal_id = 7;
    snapshot.shelves.resize(1);
    snapshot.generation = 1;
    snapshot.next_part = 2;
    auto part = PartWriter::create(kDir, fs_, 7, 1, 1);
    SLUICE_ASSERT(part.ok(), "a part in memory");
    for (size_t i = 0; i + left_out < records_.size(); ++i) {
      if (records_[i].sequence < snapshot.end_sequence) continue;
      snapshot.add(records_[i]);
      SLUICE_ASSERT((*part)->add(records_[i]).ok(), "a write to memory");
    }
    SLUICE_ASSERT((*part)->end_group().ok(), "a write to memory");
    auto info = (*part)->finish(snapshot.end_sequence);
    SLUICE_ASSERT(info.ok(), "a write to memory");
    snapshot.parts = {*info};
    auto manifest = fs_.open(path_in(kDir, kSnapshotName), base::OpenMode::kReplace);
    SLUICE_ASSERT(manifest.ok() && (*manifest)->pwrite(0, encode_snapshot(snapshot)).ok(),
                  "a write to memory");
  }

  // A file of the input's choice; nullptr if there is none left.
  std::unique_ptr<base::File> any_file() {
    const auto entries = fs_.list(kDir);
    const size_t choice = in_.number<uint8_t>();
    if (entries->empty()) return nullptr;
    auto file = fs_.open(path_in(kDir, (*entries)[choice % entries->size()].name),
                         base::OpenMode::kReadWrite);
    return file ? std::move(*file) : nullptr;
  }
  void flip() {
    const auto file = any_file();
    const uint64_t offset = in_.number<uint16_t>();
    const char mask = in_.number<char>();
    if (!file || *file->size() == 0) return;
    char byte = 0;
    (void)file->pread(offset % *file->size(), &byte, 1);
    byte = static_cast<char>(byte ^ mask);
    (void)file->pwrite(offset % *file->size(), {&byte, 1});
  }
  void truncate() {
    const auto file = any_file();
    const uint64_t bytes = in_.number<uint16_t>();
    if (file) (void)file->truncate(bytes % (*file->size() + 1));
  }
  void remove() {
    if (const auto file = any_file()) (void)fs_.remove(file->path());
  }

  Input in_;
  SimFileSystem fs_;
  SegmentHeader header_;
  std::string path_;             // of the newest segment
  uint64_t next_ = 1;            // sequence of the next record
  uint64_t synced_ = 0;
  uint64_t batch_ = 0;
  uint64_t order_id_ = 0;
  std::vector<Record> records_;  // all well-formed ones
  bool plausible_ = true;
};

// Sequences and bytes of what was read, and the error with which reading ended.
struct Reading {
  std::vector<std::pair<uint64_t, std::string>> records;
  std::optional<Error> error;

  auto visitor() {
    return [this](const Record& record) { records.emplace_back(record.sequence, encoded(record)); };
  }
};

template <class Source>
Reading read_all(Result<std::unique_ptr<Source>> source) {
  Reading reading;
  while (source) {
    auto group = (*source)->next();
    if (!group) reading.error = group.error();
    if (!group || !*group) return reading;
    for (const Record& record : (*group)->records) reading.visitor()(record);
  }
  reading.error = source.error();
  return reading;
}

template <class Found>
void end(Reading& reading, const Result<Found>& found) {
  if (!found) reading.error = found.error();
}

void check_rising(const Reading& reading) {
  for (size_t i = 1; i < reading.records.size(); ++i)
    SLUICE_ASSERT(reading.records[i - 1].first < reading.records[i].first,
                  "records out of their order");
}

std::map<std::string, std::string> contents(const SimFileSystem& fs) {
  std::map<std::string, std::string> files;
  const auto folder = fs.live().folders.find(kDir);
  for (const auto& [name, inode] : folder->second)
    if (name != kLockName) files[name] = *fs.live().files.at(inode);
  return files;
}

// Recovery may cut and rewrite what nobody was promised; then all is well, and stays so.
void check_recovery(SimFileSystem& fs) {
  const auto before = contents(fs);
  Reading recovered, again, verified;
  const auto report = recover(kDir, fs, recovered.visitor());
  check_rising(recovered);
  if (!report) {
    SLUICE_ASSERT(contents(fs) == before, "recovery refused, but changed the folder");
    return;
  }
  const auto second = recover(kDir, fs, again.visitor());
  SLUICE_ASSERT(second.ok(), "recovery refuses what it left: " + second.error().message());
  SLUICE_ASSERT(second->torn_bytes == 0 && second->last_sequence == report->last_sequence &&
                    again.records == recovered.records, "a second recovery finds something else");
  const auto found = examine(kDir, fs, verified.visitor(), Scope::kTail);
  SLUICE_ASSERT(found.ok(), "verify refuses what recovery left: " + found.error().message());
  SLUICE_ASSERT(found->segments.empty() || found->clean, "recovery left a tail");
  SLUICE_ASSERT(verified.records == recovered.records, "verify finds other records");
}

}  // namespace

void journal_folder(std::string_view input) {
  Story story(input);
  SimFileSystem& fs = story.fs();

  Reading verified;
  const auto found = examine(kDir, fs, verified.visitor());
  end(verified, found);
  check_rising(verified);
  (void)extent(kDir, fs);

  const uint64_t first = verified.records.empty() ? 1 : verified.records.front().first;
  const Reading read = read_all(Reader::open(kDir, fs, first));
  check_rising(read);
  const Reading history = read_all(History::open(kDir, fs));
  check_rising(history);
  if (found && !verified.records.empty()) {
    SLUICE_ASSERT(!story.is_plausible() || !read.error,
                  "verify accepts what the reader refuses: " + read.error->message());
    SLUICE_ASSERT(read.error || read.records == verified.records,
                  "verify and the reader find other records");
    SLUICE_ASSERT(!story.is_plausible() || !history.error,
                  "verify accepts what a rebuild refuses: " + history.error->message());
  }
  check_recovery(fs);
}

}  // namespace sluice::fuzz
