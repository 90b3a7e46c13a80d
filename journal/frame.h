// The frame: what one group commit appends to a segment, and the unit that a crash keeps or loses.
//
// Pure encoding and decoding of bytes, no files. Layout: docs/journal_format.md.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "journal/format.h"

namespace sluice::journal {

// CRC32C of journal id and segment number, with which every checksum of a segment's frames starts:
// bytes of another journal, or of this one's past, never validate.
uint32_t frame_seed(uint64_t journal_id, uint64_t segment);

struct FrameHeader {
  uint32_t payload_bytes = 0;    // 0 .. kPayloadBytesMax
  uint32_t record_count = 0;     // 0: a mark; says that all before it is synced, nothing else
  uint64_t first_sequence = 0;   // of its first record; of a mark: of the record to come
  uint64_t synced_sequence = 0;  // fdatasynced before this frame was written; < first_sequence
  uint64_t order_id_max = 0;     // the writer's highest order id up to this frame's end
  uint64_t incarnation = 0;      // random: which start of the writer wrote it
  uint64_t fingerprint = 0;      // of the journal up to this frame's end: fingerprint.h

  uint64_t end_sequence() const { return first_sequence + record_count; }
  bool is_mark() const { return record_count == 0; }
  size_t bytes() const { return frame_bytes(payload_bytes); }
};

// Appends header, payload and padding. The payload must not be larger than kPayloadBytesMax.
void append_frame(std::string& out, uint32_t seed, FrameHeader header, std::string_view payload);

enum class FrameCheck {
  kWhole,
  kTruncated,    // `bytes` ends before the frame does; `header` is valid if it is there in full
  kNotAFrame,    // no magic
  kBadHeader,    // magic, but its checksum or its numbers are wrong
  kBadPayload,   // a valid header, but payload or padding do not match it
};
const char* describe(FrameCheck check);

// Checks the header at the front of `bytes`; nothing is believed before its checksum is right.
FrameCheck decode_frame_header(std::string_view bytes, uint32_t seed, FrameHeader& header);
// Checks header and payload. `payload` is a view into `bytes`.
FrameCheck decode_frame(std::string_view bytes, uint32_t seed, FrameHeader& header,
                        std::string_view& payload);

}  // namespace sluice::journal
