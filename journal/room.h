// How much more the journal can surely write, and who has been promised how much of it.
//
// I/O threads reserve; the supply thread adds the room of each segment that it has preallocated;
// the commit thread subtracts what it writes. Only preallocated room counts, so a full disk shows
// here, before Redis is asked, and never as a failed write. Any thread, lock-free.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "journal/format.h"

namespace sluice::journal {

class Room {
 public:
  bool reserve(size_t bytes) {
    const auto wanted = static_cast<int64_t>(bytes);
    const int64_t reserved = reserved_.fetch_add(wanted, std::memory_order_relaxed) + wanted;
    const bool fits = reserved <= kReservedBytesMax &&
                      reserved * kExpansionMax <= bytes_.load(std::memory_order_relaxed);
    if (fits) return true;
    release(bytes);
    if (reserved <= kReservedBytesMax) was_refused_.store(true, std::memory_order_relaxed);
    return false;
  }
  void release(size_t bytes) {
    reserved_.fetch_sub(static_cast<int64_t>(bytes), std::memory_order_relaxed);
  }
  // Whether something was refused for want of room, and none has been added since.
  bool full() const { return was_refused_.load(std::memory_order_relaxed); }
  void add(int64_t bytes) {
    bytes_.fetch_add(bytes, std::memory_order_relaxed);
    if (bytes > 0) was_refused_.store(false, std::memory_order_relaxed);
  }

  // What a segment contributes while `bytes` of it are free: less than that, since a frame that no
  // longer fits goes to the next segment, and since room for the mark at its end is kept.
  static int64_t of_segment(int64_t bytes, int64_t frame_bytes_max) {
    return bytes - frame_bytes_max - static_cast<int64_t>(frame_bytes(0));
  }

 private:
  // The smallest batch is one record of 41 bytes; alone in a frame it takes 96.
  static constexpr int64_t kExpansionMax = 3;
  static_assert(frame_bytes(kRecordFixedBytes + 1) <= kExpansionMax * (kRecordFixedBytes + 1));
  // Bounds the memory of all that waits for the commit thread.
  static constexpr int64_t kReservedBytesMax = int64_t{64} << 20;

  std::atomic<int64_t> bytes_{0};
  std::atomic<int64_t> reserved_{0};
  std::atomic<bool> was_refused_{false};
};

}  // namespace sluice::journal
