// What a start reads: an undrained journal, every frame checked, every record decoded and visited,
// from files that the page cache holds. Frames of one record are what a sale with little load
// leaves behind, those of 16 one under load.
#include "journal/recovery.h"
#include "base/file.h"
#include "bench/micro/samples.h"
#include "bench/micro/suite.h"
#include "bench/temp_folder.h"
#include "journal/fingerprint.h"
#include "journal/frame.h"
#include "journal/segment.h"

namespace sluice::bench::micro {
namespace {

constexpr uint64_t kRecords = 1 << 18;

// One segment as an orderly stop leaves it.
Status write_segment(const std::string& dir, uint32_t frame_records) {
  base::FileSystem& fs = base::posix_file_system();
  const SampleRecords samples(frame_records);
  journal::SegmentHeader header;
  header.journal_id = header.segment = header.first_sequence = 1;
  header.fingerprint = journal::fingerprint_of(header.journal_id);
  std::string bytes = journal::encode_segment_header(header);
  const uint32_t seed = journal::frame_seed(header.journal_id, header.segment);
  uint64_t fingerprint = journal::fingerprint_of(header.journal_id);
  journal::FrameHeader frame;
  frame.record_count = frame_records;
  for (frame.first_sequence = 1; frame.first_sequence <= kRecords;
       frame.first_sequence += frame_records) {
    frame.synced_sequence = frame.first_sequence - 1;
    fingerprint = journal::fingerprint_after_frame(fingerprint, 0, samples.encoded());
    frame.fingerprint = fingerprint;
    journal::append_frame(bytes, seed, frame, samples.encoded());
  }
  journal::FrameHeader mark;
  mark.first_sequence = kRecords + 1;
  mark.synced_sequence = kRecords;
  mark.fingerprint = fingerprint;
  journal::append_frame(bytes, seed, mark, {});
  SLUICE_TRY(fs.make_dir(dir));
  return base::write_file(fs, journal::path_in(dir, journal::segment_name(1)), bytes);
}

void recover_journal(benchmark::State& state, const std::string& parent, uint32_t frame_records) {
  const auto folder = TempFolder::create(parent);
  if (!folder) return expect(state, false, folder.error().message());
  const std::string dir = folder->path() + "/journal";
  if (const Status written = write_segment(dir, frame_records); !written) {
    return expect(state, false, written.error().message());
  }
  uint64_t records = 0;
  for (auto _ : state) {
    const auto report = journal::recover(dir, base::posix_file_system(),
                                         [&](const journal::Record&) { ++records; });
    if (!report) return expect(state, false, report.error().message());
  }
  expect(state, records == kRecords * static_cast<uint64_t>(state.iterations()),
         "records are missing");
  state.SetItemsProcessed(static_cast<int64_t>(records));
}

}  // namespace

void add_recovery(const Suite& suite) {
  for (const uint32_t records : {1, 16}) {
    suite.add("recovery/" + std::to_string(records),
              [parent = suite.folder(), records](benchmark::State& state) {
                recover_journal(state, parent, records);
              });
  }
}

}  // namespace sluice::bench::micro
