// Records, fields, frames and headers: round trips, limits, and any bytes whatsoever.
#include "journal_fixture.h"

#include <random>

#include "base/crc32c.h"
#include "journal/frame.h"

namespace sluice::journal {
namespace {

Record full_record(RecordType type) {
  Record record;
  record.type = type;
  record.time_ms = 1'700'000'000'123;
  record.lane_sequence = 42;
  record.item = "item";
  record.user = "user";
  record.request = "request-1";
  record.order_id = 0xfedcba9876543210;
  record.quantity = -7;
  record.born = 0x123456789abcdef0;
  record.fields = "";
  return record;
}

TEST(RecordTest, EveryTypeComesBackAsItWas) {
  for (const auto type : {RecordType::kCreate, RecordType::kRestock, RecordType::kBuy,
                          RecordType::kCancel, RecordType::kClose, RecordType::kReopen,
                          RecordType::kChange, RecordType::kDelete}) {
    Record record = full_record(type);
    if (has_settings(type)) {
      record.limit = 3;
      record.start_ms = 5;
      record.hold_ms = 6;
      record.end_ms = INT64_MAX;
    }
    const std::string bytes = encoded(record) + "next";
    std::string_view rest = bytes;
    auto back = take_record(rest);
    ASSERT_TRUE(back.ok());
    EXPECT_EQ(*back, record);
    EXPECT_EQ(rest, "next");
  }
}

TEST(RecordTest, TextsOfTheLargestSizeComeBack) {
  const std::string name(255, 'n'), fields(65535, 'f');
  Record record = full_record(RecordType::kBuy);
  record.item = record.user = record.request = name;
  record.fields = fields;
  const std::string bytes = encoded(record);
  std::string_view rest = bytes;
  EXPECT_EQ(*take_record(rest), record);
  EXPECT_TRUE(rest.empty());
}

TEST(RecordDeathTest, ATextThatItsLengthCannotTellIsABug) {
  const std::string name(256, 'n');
  Record record = full_record(RecordType::kBuy);
  record.user = name;
  EXPECT_DEATH((void)encoded(record), "longer than its length field");
}

TEST(RecordTest, CutAnywhereItIsMalformed) {
  const std::string bytes = encoded(full_record(RecordType::kBuy));
  for (size_t cut = 0; cut < bytes.size(); ++cut) {
    std::string_view rest = std::string_view(bytes).substr(0, cut);
    const auto record = take_record(rest);
    ASSERT_FALSE(record.ok()) << cut;
    EXPECT_EQ(record.error().cls(), ErrorClass::kCorrupt);
  }
}

TEST(RecordTest, UnknownTypesAndReservedBytesAreMalformed) {
  std::string bytes = encoded(full_record(RecordType::kBuy));
  for (const char type : {'\0', '\7', '\xff'}) {
    bytes[0] = type;
    std::string_view rest = bytes;
    EXPECT_FALSE(take_record(rest).ok());
  }
  bytes[0] = 3;
  bytes[6] = 1;
  std::string_view rest = bytes;
  EXPECT_FALSE(take_record(rest).ok());
}

TEST(FieldTest, AnyBytesComeBackInOrder) {
  const std::string binary("\0\xff,\n\"", 5), large(1024, 'v');
  std::string fields;
  append_field(fields, "a", binary);
  append_field(fields, "b", "");
  append_field(fields, "c", large);
  std::string_view rest = fields, name, value;
  ASSERT_TRUE(take_field(rest, name, value));
  EXPECT_EQ(name, "a");
  EXPECT_EQ(value, binary);
  ASSERT_TRUE(take_field(rest, name, value));
  EXPECT_EQ(value, "");
  ASSERT_TRUE(take_field(rest, name, value));
  EXPECT_EQ(value, large);
  EXPECT_FALSE(take_field(rest, name, value));
  for (size_t cut = 0; cut < 9; ++cut) {  // the first field alone
    std::string_view part = std::string_view(fields).substr(0, cut);
    EXPECT_FALSE(take_field(part, name, value)) << cut;
  }
}

TEST(FrameTest, TheLargestPayloadFitsAndOneByteMoreIsABug) {
  std::string frame;
  append_frame(frame, 1, {0, 1, 1, 0, 0}, std::string(kPayloadBytesMax, 'p'));
  EXPECT_EQ(frame.size(), kFrameBytesMax);
  FrameHeader header;
  std::string_view payload;
  EXPECT_EQ(decode_frame(frame, 1, header, payload), FrameCheck::kWhole);
  EXPECT_EQ(payload.size(), kPayloadBytesMax);
  EXPECT_DEATH(append_frame(frame, 1, {0, 1, 1, 0, 0}, std::string(kPayloadBytesMax + 1, 'p')),
               "larger than a frame may be");
}

TEST(FrameTest, ALengthBeyondTheLimitIsNotBelievedEvenWithAValidChecksum) {
  std::string frame;
  append_frame(frame, 1, {0, 1, 1, 0, 0}, "payload");
  const auto length = static_cast<uint32_t>(kPayloadBytesMax + 1);
  std::memcpy(frame.data() + 8, &length, sizeof length);
  const uint32_t crc = base::crc32c(std::string_view(frame).substr(8, 40), 1);
  std::memcpy(frame.data() + 4, &crc, sizeof crc);
  FrameHeader header;
  std::string_view payload;
  EXPECT_EQ(decode_frame(frame, 1, header, payload), FrameCheck::kBadHeader);
}

TEST(FrameTest, EverySizeIsAlignedAndEveryFlippedBitIsSeen) {
  for (size_t size = 0; size < 40; ++size) {
    std::string frame;
    append_frame(frame, 9, {0, 1, 5, 4, 3}, std::string(size, 'p'));
    EXPECT_EQ(frame.size() % kFrameAlignment, 0u);
    FrameHeader header;
    std::string_view payload;
    ASSERT_EQ(decode_frame(frame, 9, header, payload), FrameCheck::kWhole);
    EXPECT_EQ(payload, std::string(size, 'p'));
    for (size_t bit = 0; bit < frame.size() * 8; ++bit) {
      frame[bit / 8] ^= static_cast<char>(1 << bit % 8);
      ASSERT_NE(decode_frame(frame, 9, header, payload), FrameCheck::kWhole) << bit;
      frame[bit / 8] ^= static_cast<char>(1 << bit % 8);
    }
  }
}

TEST(SegmentHeaderTest, ComesBackAndEveryFlippedBitIsSeen) {
  std::string bytes = encode_segment_header({1, 2, 3, 4, 5});
  ASSERT_EQ(bytes.size(), kSegmentHeaderBytes);
  const SegmentHeader header = *decode_segment_header(bytes);
  EXPECT_EQ(header.journal_id, 1u);
  EXPECT_EQ(header.segment, 2u);
  EXPECT_EQ(header.first_sequence, 3u);
  EXPECT_EQ(header.order_id_max, 4u);
  EXPECT_EQ(header.created_ms, 5);
  for (size_t bit = 0; bit < bytes.size() * 8; ++bit) {
    bytes[bit / 8] ^= static_cast<char>(1 << bit % 8);
    ASSERT_FALSE(decode_segment_header(bytes).ok()) << bit;
    bytes[bit / 8] ^= static_cast<char>(1 << bit % 8);
  }
  for (size_t cut = 0; cut < bytes.size(); ++cut) {
    EXPECT_FALSE(decode_segment_header(bytes.substr(0, cut)).ok());
  }
}

TEST(SegmentHeaderTest, ANumberWhoseSuccessorsHaveNoNameIsRefused) {
  EXPECT_TRUE(decode_segment_header(encode_segment_header({1, kFileNumberMax, 3, 4, 5})).ok());
  EXPECT_EQ(segment_name(kFileNumberMax + 2).size(), segment_name(1).size());
  EXPECT_FALSE(decode_segment_header(encode_segment_header({1, kFileNumberMax + 1, 3, 4, 5})).ok());
}

TEST(SegmentNameTest, OnlyTheExactFormIsAName) {
  EXPECT_EQ(segment_name(17), "journal-000000000017.segment");
  EXPECT_EQ(segment_number("journal-000000000017.segment"), 17u);
  for (const char* name : {"", "journal-17.segment", "journal-000000000000.segment",
                           "journal-0000000000017.segment", "journal-00000000001x.segment",
                           "journal--00000000017.segment", "journal-000000000017.segment.torn-64",
                           "xjournal-00000000017.segment", "LOCK"}) {
    EXPECT_EQ(segment_number(name), 0u) << name;
  }
}

// Random bytes, half of the time made plausible by keeping the start of something valid.
TEST(DecoderFuzzTest, AnyBytesAreRefusedOrDecodedWithinTheirBounds) {
  const uint64_t seed = std::random_device{}();
  std::printf("seed %llu\n", static_cast<unsigned long long>(seed));
  std::mt19937_64 random(seed);
  std::string frame;
  append_frame(frame, 5, {0, 2, 1, 0, 0}, purchase(1) + purchase(2));
  for (int round = 0; round < 200'000; ++round) {
    std::string bytes = round % 2 == 0 ? frame : purchase(random() % 100);
    bytes.resize(random() % (bytes.size() + 32));
    for (uint64_t flips = random() % 8; flips > 0 && !bytes.empty(); --flips) {
      bytes[random() % bytes.size()] = static_cast<char>(random());
    }
    // On the heap and exactly as long, so that a sanitizer sees any byte read beyond.
    const std::vector<char> exact(bytes.begin(), bytes.end());
    std::string_view view(exact.data(), exact.size());
    FrameHeader header;
    std::string_view payload;
    if (decode_frame(view, 5, header, payload) == FrameCheck::kWhole) {
      ASSERT_LE(header.bytes(), view.size());
      ASSERT_TRUE(decode_records(header, payload, [](const Record&) {}).ok());
    }
    (void)decode_segment_header(view);
    while (!view.empty()) {
      auto record = take_record(view);
      if (!record) break;
      std::string_view fields = record->fields, name, value;
      while (take_field(fields, name, value)) ASSERT_LE(value.size(), record->fields.size());
    }
  }
}

// Whole files of noise: recovery, reader and extent refuse or cut, and never read beyond.
class FolderFuzzTest : public JournalTest {};

TEST_F(FolderFuzzTest, AnyDamageIsRefusedOrLeavesAPrefixOfTheRecords) {
  const uint64_t seed = std::random_device{}();
  std::printf("seed %llu\n", static_cast<unsigned long long>(seed));
  std::mt19937_64 random(seed);
  options_.segment_bytes = kSegmentBytesMin;
  write_and_kill([](GroupCommit& commit) {
    for (uint64_t n = 1; n <= 50; ++n) write(commit, n, 3000);
  });
  const size_t count = segments(dir_, fs_)->size();
  std::filesystem::copy(dir_, root_ + "/pristine");
  for (int round = 0; round < 300; ++round) {
    std::filesystem::remove_all(dir_);
    std::filesystem::copy(root_ + "/pristine", dir_);
    const std::string path = segment_path(1 + random() % count);
    std::string bytes = slurp(path);
    const size_t at = random() % bytes.size();
    const uint64_t kind = random() % 3;
    switch (kind) {
      case 0: bytes.resize(at); break;
      case 1: bytes[at] = static_cast<char>(random()); break;
      default:
        for (size_t i = at; i < std::min(at + 5000, bytes.size()); ++i) {
          bytes[i] = static_cast<char>(random());
        }
    }
    spill(path, bytes);
    std::vector<uint64_t> read;
    if (auto reader = Reader::open(dir_, fs_, 1); reader) {
      for (auto group = (*reader)->next(); group && *group; group = (*reader)->next()) {
        for (const Record& record : (*group)->records) read.push_back(record.order_id - 1000);
      }
    }
    ASSERT_EQ(read, range(1, read.size())) << "only a prefix, never a changed record";
    (void)extent(dir_, fs_);
    const auto report = recover(dir_, unsynced_, [](const Record&) {});
    if (!report) {
      ASSERT_EQ(report.error().cls(), ErrorClass::kCorrupt);
      continue;
    }
    // A single byte leaves the proof that all but the last record was synced; losing much of the
    // tail may take the proof along.
    if (kind == 1) {
      ASSERT_GE(report->last_sequence, 49u);
    }
    ASSERT_EQ(orders(), range(1, report->last_sequence));
    ASSERT_GE(report->last_sequence, read.size()) << "handed out, then cut";
  }
}

}  // namespace
}  // namespace sluice::journal
