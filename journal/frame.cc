#include "journal/frame.h"

#include "base/crc32c.h"
#include "base/error.h"
#include "journal/bytes.h"

namespace sluice::journal {
namespace {

constexpr size_t kMagicAt = 0, kHeaderCrcAt = 4, kPayloadBytesAt = 8, kRecordCountAt = 12;
constexpr size_t kFirstSequenceAt = 16, kSyncedSequenceAt = 24, kOrderIdMaxAt = 32;
constexpr size_t kIncarnationAt = 40, kFingerprintAt = 48, kPayloadCrcAt = 56;

}  // namespace

uint32_t frame_seed(uint64_t journal_id, uint64_t segment) {
  std::string bytes;
  put(bytes, journal_id);
  put(bytes, segment);
  return base::crc32c(bytes);
}

void append_frame(std::string& out, uint32_t seed, FrameHeader header, std::string_view payload) {
  SLUICE_ASSERT(payload.size() <= kPayloadBytesMax, "a payload larger than a frame may be");
  SLUICE_ASSERT(header.synced_sequence < header.first_sequence, "synced before it was written");
  header.payload_bytes = static_cast<uint32_t>(payload.size());
  const size_t start = out.size();
  put(out, kFrameMagic);
  put(out, uint32_t{0});  // the header's checksum, known last
  put(out, header.payload_bytes);
  put(out, header.record_count);
  put(out, header.first_sequence);
  put(out, header.synced_sequence);
  put(out, header.order_id_max);
  put(out, header.incarnation);
  put(out, header.fingerprint);
  put(out, uint32_t{0});  // the payload's checksum
  put(out, uint32_t{0});  // reserved
  out.append(payload);
  out.append(header.bytes() - kFrameHeaderBytes - payload.size(), '\0');

  // The padding is under the checksum too, so that no byte of a frame can change unseen.
  const uint32_t payload_crc =
      base::crc32c(std::string_view(out).substr(start + kFrameHeaderBytes), seed);
  std::memcpy(out.data() + start + kPayloadCrcAt, &payload_crc, sizeof payload_crc);
  const uint32_t header_crc = base::crc32c(
      std::string_view(out).substr(start + kPayloadBytesAt, kFrameHeaderBytes - kPayloadBytesAt),
      seed);
  std::memcpy(out.data() + start + kHeaderCrcAt, &header_crc, sizeof header_crc);
}

const char* describe(FrameCheck check) {
  switch (check) {
    case FrameCheck::kWhole: return "a whole frame";
    case FrameCheck::kTruncated: return "a frame cut short by the end of the file";
    case FrameCheck::kNotAFrame: return "bytes that are no frame";
    case FrameCheck::kBadHeader: return "a frame whose header does not match its checksum";
    case FrameCheck::kBadPayload: return "a frame whose records do not match their checksum";
  }
  return "";
}

FrameCheck decode_frame_header(std::string_view bytes, uint32_t seed, FrameHeader& header) {
  if (bytes.size() < kFrameHeaderBytes) return FrameCheck::kTruncated;
  if (get<uint32_t>(bytes, kMagicAt) != kFrameMagic) return FrameCheck::kNotAFrame;
  const std::string_view covered =
      bytes.substr(kPayloadBytesAt, kFrameHeaderBytes - kPayloadBytesAt);
  if (get<uint32_t>(bytes, kHeaderCrcAt) != base::crc32c(covered, seed)) {
    return FrameCheck::kBadHeader;
  }
  FrameHeader found;
  found.payload_bytes = get<uint32_t>(bytes, kPayloadBytesAt);
  found.record_count = get<uint32_t>(bytes, kRecordCountAt);
  found.first_sequence = get<uint64_t>(bytes, kFirstSequenceAt);
  found.synced_sequence = get<uint64_t>(bytes, kSyncedSequenceAt);
  found.order_id_max = get<uint64_t>(bytes, kOrderIdMaxAt);
  found.incarnation = get<uint64_t>(bytes, kIncarnationAt);
  found.fingerprint = get<uint64_t>(bytes, kFingerprintAt);
  if (found.payload_bytes > kPayloadBytesMax) return FrameCheck::kBadHeader;
  if (found.synced_sequence >= found.first_sequence) return FrameCheck::kBadHeader;
  if (found.first_sequence >= kSequenceEnd) return FrameCheck::kBadHeader;
  header = found;
  return FrameCheck::kWhole;
}

FrameCheck decode_frame(std::string_view bytes, uint32_t seed, FrameHeader& header,
                        std::string_view& payload) {
  const FrameCheck check = decode_frame_header(bytes, seed, header);
  if (check != FrameCheck::kWhole) return check;
  if (bytes.size() < header.bytes()) return FrameCheck::kTruncated;
  const std::string_view covered =
      bytes.substr(kFrameHeaderBytes, header.bytes() - kFrameHeaderBytes);
  if (get<uint32_t>(bytes, kPayloadCrcAt) != base::crc32c(covered, seed)) {
    return FrameCheck::kBadPayload;
  }
  payload = covered.substr(0, header.payload_bytes);
  return FrameCheck::kWhole;
}

}  // namespace sluice::journal
