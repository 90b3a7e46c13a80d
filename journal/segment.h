// Segments: the files of a journal folder, their names, headers, listing and removal.
//
// A segment holds the records from its header's first sequence up to the next segment's. A segment
// gets its name only after everything in the segments before it is synced, so only the newest one
// can have a tail that a crash tore.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/file.h"
#include "journal/format.h"

namespace sluice::journal {

struct SegmentHeader {
  uint64_t journal_id = 0;      // random; the same in all segments, like the last two
  uint64_t segment = 0;         // its number, from 1, without gaps
  uint64_t first_sequence = 0;  // of its first record
  uint64_t order_id_max = 0;    // the writer's highest order id in all segments before
  int64_t created_ms = 0;       // wall clock
  uint64_t fingerprint = 0;     // of all records before: fingerprint.h
  uint64_t incarnation = 0;     // random: which start of the writer began it
  uint32_t proxy_id = 0;        // who writes it
  uint32_t shelves = 1;         // how many there are
};

std::string encode_segment_header(const SegmentHeader& header);
// kCorrupt without a place; the caller knows the file.
Result<SegmentHeader> decode_segment_header(std::string_view bytes);
// kCorrupt: names the file and what to do.
Result<SegmentHeader> read_segment_header(base::File& file);

inline constexpr std::string_view kLockName = "LOCK";
// Held by whoever writes the journal, or repairs it. kExists: another process does.
Result<std::unique_ptr<base::FileLock>> lock_journal(const std::string& dir, base::FileSystem& fs);

inline constexpr std::string_view kFlusherLockName = "flusher.lock";
inline constexpr std::string_view kNextName = "segment.next";          // preallocated, not in use
inline constexpr std::string_view kRecoveryName = "segment.recovery";  // a rewrite under way
// Empty; there while the writer has no room for another segment: what is only kept for
// journal.retain gives way.
inline constexpr std::string_view kRoomWantedName = "room.wanted";

// "PREFIX000000000017SUFFIX", and back; 0: not such a name.
std::string numbered_name(std::string_view prefix, uint64_t number, std::string_view suffix);
uint64_t number_in_name(std::string_view prefix, std::string_view name, std::string_view suffix);

std::string segment_name(uint64_t segment);
// 0: not the name of a segment.
uint64_t segment_number(std::string_view name);
std::string path_in(std::string_view dir, std::string_view name);

struct SegmentInfo {
  SegmentHeader header;
  std::string path;
  uint64_t file_bytes = 0;  // preallocated room included
};

// All segments, oldest first, with their headers checked: kCorrupt if one is missing in the middle,
// belongs to another journal, was renamed, or starts before its predecessor. Gaps at the front are
// what the janitor leaves. Empty: no journal yet.
Result<std::vector<SegmentInfo>> list_segments(const std::string& dir, base::FileSystem& fs);
// The segments as the flusher's janitor sees them.
struct SegmentSummary {
  uint64_t number = 0;
  uint64_t first_sequence = 0;
  int64_t bytes = 0;
};
Result<std::vector<SegmentSummary>> segments(const std::string& dir, base::FileSystem& fs);

// Deletes the oldest segment and syncs the folder. kInvalid if `number` is not the oldest, or is
// the only one: the newest carries the journal's identity, sequence and highest order id.
Status remove_segment(const std::string& dir, base::FileSystem& fs, uint64_t number);

}  // namespace sluice::journal
