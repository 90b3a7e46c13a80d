// Input: bytes as a segment, a part or a manifest might hold them.
//
// Each decoder reads them twice, as they are, and with magic and checksum put right, as a bug of
// the writer would leave them. What is decoded encodes to the same bytes; a frame of which one bit
// is wrong is refused.
#include <cstring>
#include <string>

#include "base/crc32c.h"
#include "base/error.h"
#include "fuzz/input.h"
#include "fuzz/targets.h"
#include "journal/bytes.h"
#include "journal/examine.h"
#include "journal/frame.h"
#include "journal/segment.h"
#include "journal/snapshot.h"

namespace sluice::fuzz {
namespace {

using namespace journal;

constexpr uint32_t kSeed = 17;

template <class Number>
void overwrite(std::string& bytes, size_t offset, Number number) {
  std::memcpy(bytes.data() + offset, &number, sizeof number);
}

void check_segment_header(std::string_view input) {
  (void)decode_segment_header(input);
  if (input.size() < kSegmentHeaderBytes) return;
  std::string sealed(input.substr(0, kSegmentHeaderBytes));
  std::memcpy(sealed.data(), kSegmentMagic, sizeof kSegmentMagic);
  overwrite(sealed, 8, kFormatVersion);
  overwrite(sealed, 12, uint32_t{0});  // the reserved bytes, which nobody reads
  overwrite(sealed, 56, uint32_t{0});
  overwrite(sealed, 60, base::crc32c(std::string_view(sealed).substr(0, 60)));
  const auto header = decode_segment_header(sealed);
  SLUICE_ASSERT(!header || encode_segment_header(*header) == sealed,
                "a segment's header encodes to other bytes");
}

void check_records(std::string_view input) {
  std::string_view left = input;
  while (!left.empty()) {
    const std::string_view before = left;
    const auto record = take_record(left);
    if (!record) {
      SLUICE_ASSERT(left.size() == before.size(), "bytes were taken although there is no record");
      break;
    }
    std::string encoded;
    append_record(encoded, *record);
    SLUICE_ASSERT(encoded == before.substr(0, before.size() - left.size()),
                  "a record encodes to other bytes");
  }
  std::string_view fields = input, name, value;
  std::string encoded;
  while (take_field(fields, name, value)) append_field(encoded, name, value);
  SLUICE_ASSERT(encoded == input.substr(0, encoded.size()), "fields encode to other bytes");
}

// The input's first bytes are the header's numbers, the rest is the payload.
void check_frame(std::string_view input) {
  FrameHeader header;
  std::string_view payload;
  (void)decode_frame(input, kSeed, header, payload);

  Input in(input);
  header.record_count = in.number<uint32_t>();
  header.first_sequence = in.number<uint64_t>();
  header.synced_sequence = in.number<uint64_t>();
  header.order_id_max = in.number<uint64_t>();
  if (header.synced_sequence >= header.first_sequence) return;
  if (header.first_sequence >= kSequenceEnd) return;
  const size_t bit = in.number<uint16_t>();
  const std::string_view written = in.bytes(kPayloadBytesMax);
  std::string frame;
  append_frame(frame, kSeed, header, written);

  FrameHeader read;
  const ExactCopy copy(frame);
  SLUICE_ASSERT(decode_frame(copy.view(), kSeed, read, payload) == FrameCheck::kWhole &&
                    payload == written, "a frame does not read back");
  SLUICE_ASSERT(read.record_count == header.record_count &&
                    read.end_sequence() == header.end_sequence() &&
                    read.synced_sequence == header.synced_sequence &&
                    read.order_id_max == header.order_id_max, "a frame's header reads otherwise");
  const ExactCopy cut(copy.view().substr(0, bit % frame.size()));
  SLUICE_ASSERT(decode_frame(cut.view(), kSeed, read, payload) == FrameCheck::kTruncated,
                "half a frame is not seen as that");
  (void)decode_records(read, written, [](const Record&) {});
  frame[bit / 8 % frame.size()] ^= static_cast<char>(1 << bit % 8);
  SLUICE_ASSERT(decode_frame(frame, kSeed, read, payload) != FrameCheck::kWhole,
                "a damaged frame passes for whole");
}

void check_manifest(std::string_view input) {
  (void)decode_snapshot(input);
  if (input.size() < kManifestHeaderBytes) return;
  std::string sealed(input);
  std::memcpy(sealed.data(), kSnapshotMagic, sizeof kSnapshotMagic);
  overwrite(sealed, 8, kSnapshotVersion);
  overwrite(sealed, 88, uint64_t{sealed.size() + 4});
  put(sealed, base::crc32c(sealed));
  const ExactCopy copy(sealed);
  const auto snapshot = decode_snapshot(copy.view());
  if (!snapshot) return;
  const auto again = decode_snapshot(encode_snapshot(*snapshot));
  SLUICE_ASSERT(again.ok() && *again == *snapshot, "a manifest does not read back");
}

}  // namespace

void journal_decoder(std::string_view input) {
  const ExactCopy copy(input);
  check_segment_header(copy.view());
  check_records(copy.view());
  check_frame(copy.view());
  check_manifest(copy.view());
}

}  // namespace sluice::fuzz
