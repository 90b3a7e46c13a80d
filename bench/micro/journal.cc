// What the journal's bytes cost: encoding and decoding records, and scanning frames with their
// checksums from a file that the page cache holds.
#include "base/file.h"
#include "bench/micro/samples.h"
#include "bench/micro/suite.h"
#include "bench/temp_folder.h"
#include "journal/frame.h"
#include "journal/frame_scanner.h"
#include "journal/record.h"

namespace sluice::bench::micro {
namespace {

constexpr size_t kRecords = 256;
constexpr uint32_t kFrameRecords = 16;
constexpr uint64_t kFrames = 4096;
constexpr uint32_t kSeed = 1;

void encode_records(benchmark::State& state) {
  const SampleRecords samples(kRecords);
  std::string out;
  for (auto _ : state) {
    out.clear();
    for (const journal::Record& record : samples.records()) journal::append_record(out, record);
  }
  expect(state, out == samples.encoded(), "the records' bytes are others");
  state.SetItemsProcessed(state.iterations() * static_cast<int64_t>(kRecords));
  state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(out.size()));
}

void decode_records(benchmark::State& state) {
  const SampleRecords samples(kRecords);
  uint64_t sum = 0;
  for (auto _ : state) {
    std::string_view rest = samples.encoded();
    while (!rest.empty()) {
      const auto record = journal::take_record(rest);
      if (!record) break;
      sum += record->order_id;
    }
  }
  uint64_t wanted = 0;
  for (const journal::Record& record : samples.records()) wanted += record.order_id;
  expect(state, sum == wanted * static_cast<uint64_t>(state.iterations()),
         "the records are others");
  state.SetItemsProcessed(state.iterations() * static_cast<int64_t>(kRecords));
  state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(samples.encoded().size()));
}

// Writes kFrames frames; the file's size, or 0 if it failed.
uint64_t write_frames(base::File& file) {
  const SampleRecords samples(kFrameRecords);
  std::string bytes;
  for (uint64_t i = 0; i < kFrames; ++i) {
    journal::FrameHeader header;
    header.record_count = kFrameRecords;
    header.first_sequence = 1 + i * kFrameRecords;
    journal::append_frame(bytes, kSeed, header, samples.encoded());
  }
  return file.pwrite(0, bytes) ? bytes.size() : 0;
}

void scan_frames(benchmark::State& state, const std::string& parent) {
  const auto folder = TempFolder::create(parent);
  if (!folder) return expect(state, false, folder.error().message());
  auto file = base::posix_file_system().open(folder->path() + "/frames", base::OpenMode::kCreate);
  if (!file) return expect(state, false, file.error().message());
  const uint64_t bytes = write_frames(**file);
  uint64_t records = 0;
  for (auto _ : state) {
    journal::FrameScanner scanner(**file, kSeed, 0);
    journal::Frame frame;
    for (;;) {
      const auto found = scanner.next(frame);
      if (!found || *found != journal::FrameScanner::Found::kFrame) break;
      records += frame.header.record_count;
    }
  }
  expect(state, records == kFrames * kFrameRecords * static_cast<uint64_t>(state.iterations()),
         "frames are missing");
  state.SetItemsProcessed(static_cast<int64_t>(records));
  state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(bytes));
}

}  // namespace

void add_journal(const Suite& suite) {
  suite.add("record_encode", encode_records);
  suite.add("record_decode", decode_records);
  suite.add("frame_scan",
            [parent = suite.folder()](benchmark::State& state) { scan_frames(state, parent); });
}

}  // namespace sluice::bench::micro
