#include "journal/frame_scanner.h"

#include <algorithm>
#include <memory>

#include "journal/bytes.h"

namespace sluice::journal {
namespace {

// The first read after a pause is small (a follower polls often and finds little), then they grow.
constexpr size_t kFillBytesMin = size_t{64} << 10;
constexpr size_t kFillBytesMax = size_t{2} << 20;
static_assert(kFillBytesMax >= kFrameBytesMax);

bool is_zeros(std::string_view bytes) {
  return bytes.find_first_not_of('\0') == std::string_view::npos;
}

}  // namespace

FrameScanner::FrameScanner(base::File& file, uint32_t seed, uint64_t offset)
    : file_(file), seed_(seed), offset_(offset), buffer_offset_(offset),
      fill_bytes_(kFillBytesMin) {}

void FrameScanner::refresh() {
  buffer_.clear();
  buffer_offset_ = offset_;
  fill_bytes_ = kFillBytesMin;
  at_end_ = false;
}

std::string_view FrameScanner::window() const {
  return std::string_view(buffer_).substr(static_cast<size_t>(offset_ - buffer_offset_));
}

Status FrameScanner::fill(size_t bytes_wanted) {
  const size_t bytes = std::max(fill_bytes_, bytes_wanted);
  fill_bytes_ = std::min(fill_bytes_ * 2, kFillBytesMax);
  buffer_.resize(bytes);
  buffer_offset_ = offset_;
  auto read = file_.pread(offset_, buffer_.data(), bytes);
  buffer_.resize(read ? *read : 0);
  if (!read) return read.error();
  at_end_ = *read < bytes;
  ++fills_;
  return {};
}

Result<FrameScanner::Found> FrameScanner::next(Frame& frame) {
  check_ = decode_frame(window(), seed_, frame.header, frame.payload);
  if (check_ == FrameCheck::kTruncated && !at_end_) {
    SLUICE_TRY(fill(kFrameHeaderBytes));
    check_ = decode_frame(window(), seed_, frame.header, frame.payload);
    if (check_ == FrameCheck::kTruncated && !at_end_) {
      // The header is whole and valid, so its length is bounded and believed.
      SLUICE_TRY(fill(frame.header.bytes()));
      check_ = decode_frame(window(), seed_, frame.header, frame.payload);
    }
  }
  if (check_ == FrameCheck::kWhole) {
    frame.offset = offset_;
    offset_ += frame.header.bytes();
    return Found::kFrame;
  }
  return is_zeros(window().substr(0, kFrameHeaderBytes)) ? Found::kNothing : Found::kInvalid;
}

Result<TailEvidence> examine_tail(base::File& file, uint32_t seed, uint64_t offset,
                                  uint64_t expected, uint64_t bytes_max) {
  TailEvidence evidence;
  evidence.used_end = offset;
  // Windows overlap by the largest frame, so that one that begins in a window is whole in it.
  constexpr size_t kWindowBytes = kFillBytesMax + kFrameBytesMax;
  const auto buffer = std::make_unique_for_overwrite<char[]>(kWindowBytes);
  for (uint64_t at = offset;; at += kFillBytesMax) {
    auto read = file.pread(at, buffer.get(), kWindowBytes);
    if (!read) return read.error();
    const std::string_view window(buffer.get(), *read);
    if (const size_t last = window.find_last_not_of('\0'); last != std::string_view::npos) {
      evidence.used_end = std::max(evidence.used_end, at + last + 1);
    }
    const size_t starts = std::min(window.size(), kFillBytesMax);
    for (size_t i = 0; i + kFrameHeaderBytes <= window.size() && i < starts;
         i += kFrameAlignment) {
      FrameHeader header;
      std::string_view payload;
      if (get<uint32_t>(window, i) != kFrameMagic) continue;
      if (decode_frame(window.substr(i), seed, header, payload) != FrameCheck::kWhole) continue;
      // A frame that itself begins with `expected` followed a mark, and only a synced mark is
      // ever written behind.
      if (header.synced_sequence < expected && header.first_sequence != expected) continue;
      evidence.later_frame = at + i;
      evidence.synced_sequence = header.synced_sequence;
      return evidence;
    }
    if (*read < kWindowBytes || at - offset >= bytes_max) return evidence;
  }
}

}  // namespace sluice::journal
