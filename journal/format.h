// The journal's format as constants. The prose is docs/journal_format.md; nothing else in the
// program knows these numbers.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>

namespace sluice::journal {

static_assert(std::endian::native == std::endian::little, "the journal is written little-endian");

inline constexpr uint32_t kFormatVersion = 3;

// Sequences stay below it, so that none wraps around however many records a frame says it has.
inline constexpr uint64_t kSequenceEnd = uint64_t{1} << 63;
// Segments and parts are numbered in 12 digits; what is above this is nothing that was written
// here, and whoever believed it would find no name for the number after the next.
inline constexpr size_t kFileNumberDigits = 12;
inline constexpr uint64_t kFileNumberMax = 900'000'000'000;

// Segment header, at offset 0 of every segment.
inline constexpr char kSegmentMagic[8] = {'S', 'L', 'U', 'I', 'C', 'E', 'J', 'L'};
inline constexpr size_t kSegmentHeaderBytes = 80;

// Snapshot: the manifest, and the parts' header at offset 0 of every part.
inline constexpr uint32_t kSnapshotVersion = 3;
inline constexpr char kSnapshotMagic[8] = {'S', 'L', 'U', 'I', 'C', 'E', 'S', 'N'};
inline constexpr char kPartMagic[8] = {'S', 'L', 'U', 'I', 'C', 'E', 'S', 'P'};
inline constexpr size_t kPartHeaderBytes = 64;
inline constexpr size_t kManifestHeaderBytes = 104;
inline constexpr size_t kManifestPartBytes = 40;
inline constexpr size_t kManifestShelfBytes = 16;
inline constexpr size_t kManifestItemBytes = 144;  // and then the item's name
inline constexpr size_t kManifestBytesMax = size_t{1} << 30;

// Frame: header, payload, zeros up to a multiple of kFrameAlignment.
inline constexpr uint32_t kFrameMagic = 0x464c5353;  // "SSLF"
inline constexpr size_t kFrameHeaderBytes = 64;
inline constexpr size_t kFrameAlignment = 8;
inline constexpr size_t kFrameBytesMax = size_t{1} << 20;  // header and padding included
inline constexpr size_t kPayloadBytesMax = kFrameBytesMax - kFrameHeaderBytes;

// Record: fixed part, for kCreate and kChange four more numbers, then item, user, request, fields.
inline constexpr size_t kRecordFixedBytes = 48;
inline constexpr size_t kRecordSettingsBytes = 32;
inline constexpr size_t kShortTextMax = 0xff;   // item, user, request, field name
inline constexpr size_t kLongTextMax = 0xffff;  // fields, field value

// A segment holds a few frames of full size at least; what journal.segment_bytes may be.
inline constexpr int64_t kSegmentBytesMin = int64_t{64} << 10;
inline constexpr int64_t kSegmentBytesMax = int64_t{4} << 30;

constexpr size_t frame_bytes(size_t payload_bytes) {
  const size_t bytes = kFrameHeaderBytes + payload_bytes;
  return (bytes + kFrameAlignment - 1) / kFrameAlignment * kFrameAlignment;
}

}  // namespace sluice::journal
