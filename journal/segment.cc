#include "journal/segment.h"

#include <algorithm>
#include <charconv>

#include "base/crc32c.h"
#include "journal/bytes.h"
#include "journal/examine.h"

namespace sluice::journal {
namespace {

constexpr std::string_view kNamePrefix = "journal-";
constexpr std::string_view kNameSuffix = ".segment";

constexpr size_t kVersionAt = 8, kProxyIdAt = 12, kShelvesAt = 14, kJournalIdAt = 16;
constexpr size_t kSegmentAt = 24, kFirstSequenceAt = 32;
constexpr size_t kOrderIdMaxAt = 40, kCreatedAt = 48, kFingerprintAt = 56;
constexpr size_t kIncarnationAt = 64, kCrcAt = 76;

Error corrupt(const std::string& what) {
  return Error(ErrorClass::kCorrupt, what + "; put the file back from a backup, or see "
                                            "docs/journal_format.md, \"Damage\"");
}

bool looks_like_segment(std::string_view name) {
  return name.starts_with(kNamePrefix) && name.ends_with(kNameSuffix);
}

Result<SegmentInfo> read_info(const std::string& dir, base::FileSystem& fs,
                              const base::DirectoryEntry& entry) {
  SegmentInfo info;
  info.path = path_in(dir, entry.name);
  info.file_bytes = entry.bytes;
  auto file = fs.open(info.path, base::OpenMode::kRead);
  if (!file) return file.error();
  auto header = read_segment_header(**file);
  if (!header) return header.error();
  info.header = *header;
  return info;
}

Status check_neighbours(const SegmentInfo& before, const SegmentInfo& after) {
  const SegmentHeader& a = before.header;
  const SegmentHeader& b = after.header;
  if (a.journal_id != b.journal_id || a.proxy_id != b.proxy_id || a.shelves != b.shelves) {
    return corrupt(after.path + ", offset 0: this segment belongs to another journal than " +
                   before.path);
  }
  if (b.segment != a.segment + 1) {
    return corrupt(before.path + " is followed by " + after.path + ": segment " +
                   std::to_string(a.segment + 1) + " is missing");
  }
  if (b.first_sequence < a.first_sequence) {
    return corrupt(after.path + ", offset 0: starts at record " +
                   std::to_string(b.first_sequence) + ", before its predecessor's " +
                   std::to_string(a.first_sequence));
  }
  return {};
}

}  // namespace

std::string encode_segment_header(const SegmentHeader& header) {
  std::string out(kSegmentMagic, sizeof kSegmentMagic);
  put(out, kFormatVersion);
  put(out, static_cast<uint16_t>(header.proxy_id));
  put(out, static_cast<uint16_t>(header.shelves));
  put(out, header.journal_id);
  put(out, header.segment);
  put(out, header.first_sequence);
  put(out, header.order_id_max);
  put(out, header.created_ms);
  put(out, header.fingerprint);
  put(out, header.incarnation);
  put(out, uint32_t{0});  // reserved
  put(out, base::crc32c(out));
  return out;
}

Result<std::unique_ptr<base::FileLock>> lock_journal(const std::string& dir, base::FileSystem& fs) {
  auto lock = fs.lock(path_in(dir, kLockName));
  if (lock) return lock;
  if (lock.error().cls() == ErrorClass::kExists) {
    return lock.error().at("the journal in " + dir +
                           " is in use; stop that process, or give this one another journal.dir");
  }
  return lock.error().at("the journal in " + dir +
                         " cannot be locked; this user must be able to write there");
}

Result<SegmentHeader> decode_segment_header(std::string_view bytes) {
  const auto bad = [](std::string why) { return Error(ErrorClass::kCorrupt, std::move(why)); };
  if (bytes.size() < kSegmentHeaderBytes) return bad("the file ends within its header");
  if (std::string_view(kSegmentMagic, sizeof kSegmentMagic) !=
      bytes.substr(0, sizeof kSegmentMagic)) {
    return bad("this is no journal segment");
  }
  if (get<uint32_t>(bytes, kCrcAt) != base::crc32c(bytes.substr(0, kCrcAt))) {
    return bad("the segment's header does not match its checksum");
  }
  if (const auto version = get<uint32_t>(bytes, kVersionAt); version != kFormatVersion) {
    return bad("format version " + std::to_string(version) + "; this program reads version " +
               std::to_string(kFormatVersion));
  }
  SegmentHeader header;
  header.proxy_id = get<uint16_t>(bytes, kProxyIdAt);
  header.shelves = get<uint16_t>(bytes, kShelvesAt);
  header.journal_id = get<uint64_t>(bytes, kJournalIdAt);
  header.segment = get<uint64_t>(bytes, kSegmentAt);
  header.first_sequence = get<uint64_t>(bytes, kFirstSequenceAt);
  header.order_id_max = get<uint64_t>(bytes, kOrderIdMaxAt);
  header.created_ms = get<int64_t>(bytes, kCreatedAt);
  header.fingerprint = get<uint64_t>(bytes, kFingerprintAt);
  header.incarnation = get<uint64_t>(bytes, kIncarnationAt);
  if (header.journal_id == 0 || header.segment == 0 || header.first_sequence == 0 ||
      header.shelves == 0) {
    return bad("a number in the segment's header is zero");
  }
  if (header.segment > kFileNumberMax) return bad("no segment has so high a number");
  if (header.first_sequence >= kSequenceEnd) {
    return bad("no record has so high a sequence as its first one");
  }
  return header;
}

Result<SegmentHeader> read_segment_header(base::File& file) {
  std::string bytes(kSegmentHeaderBytes, '\0');
  auto read = file.pread(0, bytes.data(), bytes.size());
  if (!read) return read.error();
  bytes.resize(*read);
  auto header = decode_segment_header(bytes);
  if (!header) return damage(file.path(), 0, header.error().message());
  return header;
}

std::string numbered_name(std::string_view prefix, uint64_t number, std::string_view suffix) {
  const std::string digits = std::to_string(number);
  SLUICE_ASSERT(digits.size() <= kFileNumberDigits, "a number that no file name can tell");
  return std::string(prefix) + std::string(kFileNumberDigits - digits.size(), '0') + digits +
         std::string(suffix);
}

uint64_t number_in_name(std::string_view prefix, std::string_view name, std::string_view suffix) {
  if (name.size() != prefix.size() + kFileNumberDigits + suffix.size()) return 0;
  if (!name.starts_with(prefix) || !name.ends_with(suffix)) return 0;
  const std::string_view digits = name.substr(prefix.size(), kFileNumberDigits);
  uint64_t number = 0;
  const auto [end, failure] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
  return failure == std::errc() && end == digits.data() + digits.size() ? number : 0;
}

std::string segment_name(uint64_t segment) {
  return numbered_name(kNamePrefix, segment, kNameSuffix);
}

uint64_t segment_number(std::string_view name) {
  return number_in_name(kNamePrefix, name, kNameSuffix);
}

std::string path_in(std::string_view dir, std::string_view name) {
  return std::string(dir) + "/" + std::string(name);
}

Result<std::vector<SegmentInfo>> list_segments(const std::string& dir, base::FileSystem& fs) {
  auto entries = fs.list(dir);
  if (!entries) return entries.error();
  std::vector<SegmentInfo> found;
  for (const base::DirectoryEntry& entry : *entries) {  // sorted by name, so by number
    const uint64_t number = segment_number(entry.name);
    if (number == 0 && looks_like_segment(entry.name)) {
      return corrupt(path_in(dir, entry.name) + ": not the name of a segment; was it renamed?");
    }
    if (number == 0) continue;
    auto info = read_info(dir, fs, entry);
    if (!info) {
      if (info.error().cls() != ErrorClass::kNotFound) return info.error();
      // The flusher may delete at any time, the oldest first: those before it are gone too.
      found.clear();
      continue;
    }
    if (info->header.segment != number) {
      return corrupt(info->path + ", offset 0: by its header this is segment " +
                     std::to_string(info->header.segment) + "; was it renamed or copied?");
    }
    if (!found.empty()) SLUICE_TRY(check_neighbours(found.back(), *info));
    found.push_back(std::move(*info));
  }
  return found;
}

Result<std::vector<SegmentSummary>> segments(const std::string& dir, base::FileSystem& fs) {
  auto found = list_segments(dir, fs);
  if (!found) return found.error();
  std::vector<SegmentSummary> summaries;
  for (const SegmentInfo& info : *found) {
    summaries.push_back({info.header.segment, info.header.first_sequence,
                         static_cast<int64_t>(info.file_bytes)});
  }
  return summaries;
}

Status remove_segment(const std::string& dir, base::FileSystem& fs, uint64_t number) {
  auto entries = fs.list(dir);
  if (!entries) return entries.error();
  std::vector<uint64_t> numbers;
  for (const base::DirectoryEntry& entry : *entries) {
    if (const uint64_t found = segment_number(entry.name); found != 0) numbers.push_back(found);
  }
  if (numbers.empty() || numbers.front() != number) {
    return Error(ErrorClass::kInvalid, path_in(dir, segment_name(number)) +
                                           " is not the oldest segment; only that can be removed");
  }
  if (numbers.size() == 1) {
    return Error(ErrorClass::kInvalid,
                 path_in(dir, segment_name(number)) + " is the newest segment and has to stay");
  }
  SLUICE_TRY(fs.remove(path_in(dir, segment_name(number))));
  return fs.sync_dir(dir);
}

}  // namespace sluice::journal
