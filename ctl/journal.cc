// sluice-ctl journal verify | dump: looks at a journal folder and changes nothing.
#include <boost/json.hpp>
#include <cinttypes>
#include <cstdio>
#include <limits>
#include <string>
#include <vector>

#include "base/command_line.h"
#include "base/file.h"
#include "base/units.h"
#include "ctl/commands.h"
#include "ctl/record_json.h"
#include "journal/examine.h"
#include "journal/history.h"
#include "journal/reader.h"
#include "journal/segment.h"

namespace sluice::ctl {
namespace {

int report(const Error& error) {
  std::fprintf(stderr, "sluice-ctl: %s\n", error.message().c_str());
  if (error.cls() == ErrorClass::kCorrupt) return kDamaged;
  return error.cls() == ErrorClass::kNotFound ? kBadArguments : kFailed;
}

// A writer at work may show a later frame before an earlier one, and begin segments between the
// listing and the reading. Damage stays where it is, so it is believed when it is seen again.
Result<journal::Examination> examine_patiently(const std::string& dir) {
  std::string seen;
  for (int i = 0;; ++i) {
    auto found = journal::examine(dir, base::posix_file_system(), [](const journal::Record&) {});
    if (found || i == 5 || found.error().message() == seen) return found;
    seen = found.error().message();
  }
}

std::string sequences(uint64_t first, uint64_t end) {
  return first == end ? "-" : std::to_string(first) + ".." + std::to_string(end - 1);
}

void print(const journal::Snapshot& snapshot) {
  uint64_t records = 0, bytes = 0;
  for (const journal::PartInfo& part : snapshot.parts) {
    records += part.records;
    bytes += part.bytes;
  }
  std::printf("snapshot %" PRIu64 " covers records %s: %zu items; %" PRIu64
              " records in %zu parts, %" PRIu64 " bytes\n",
              snapshot.generation, sequences(1, snapshot.end_sequence).c_str(),
              snapshot.items.size(), records, snapshot.parts.size(), bytes);
}

void print(const journal::Examination& found) {
  const auto& newest = found.segments.back();
  std::printf("journal %016" PRIx64 "\n", newest.info.header.journal_id);
  std::printf("%-30s %12s %25s %12s %14s\n", "segment", "records", "sequences", "frames", "bytes");
  uint64_t bytes = 0;
  for (const journal::SegmentReport& segment : found.segments) {
    const std::string range =
        sequences(segment.info.header.first_sequence, segment.end_sequence);
    std::printf("%-30s %12" PRIu64 " %25s %12" PRIu64 " %14" PRIu64 "\n",
                journal::segment_name(segment.info.header.segment).c_str(), segment.records,
                range.c_str(), segment.frames, segment.end_offset);
    bytes += segment.end_offset;
  }
  std::printf("%-30s %12" PRIu64 " %25s %12s %14" PRIu64 "\n", "total", found.records,
              sequences(found.segments.front().info.header.first_sequence, newest.end_sequence)
                  .c_str(),
              "", bytes);
  if (found.snapshot) print(*found.snapshot);
  if (found.torn_bytes > 0) {
    std::printf("torn tail: %" PRIu64 " bytes at %s, offset %" PRIu64
                "; the proxy's next start cuts them off and keeps a copy, unless a write is under "
                "way\n",
                found.torn_bytes, newest.info.path.c_str(), newest.end_offset);
  }
  std::printf("ok: %s\n", found.clean ? "stopped in an orderly way" : "in use, or not stopped");
}

void print_json(const journal::Examination& found) {
  const auto& newest = found.segments.back();
  boost::json::array segments;
  for (const journal::SegmentReport& segment : found.segments) {
    segments.push_back(
        boost::json::object{{"name", journal::segment_name(segment.info.header.segment)},
                            {"records", segment.records},
                            {"first_sequence", segment.info.header.first_sequence},
                            {"end_sequence", segment.end_sequence},
                            {"frames", segment.frames},
                            {"bytes", segment.end_offset}});
  }
  const boost::json::object object{
      {"journal_id", std::to_string(newest.info.header.journal_id)},
      {"records", found.records},
      {"last_sequence", found.last_sequence},
      {"segments", segments},
      {"snapshot_items", found.snapshot ? found.snapshot->items.size() : 0},
      {"torn_bytes", found.torn_bytes},
      {"stopped_in_order", found.clean}};
  std::printf("%s\n", boost::json::serialize(object).c_str());
}

int verify(const std::string& dir, bool as_json) {
  auto found = examine_patiently(dir);
  if (!found) return report(found.error());
  if (found->segments.empty()) {
    return report(Error(ErrorClass::kNotFound, "no journal in " + dir));
  }
  if (as_json)
    print_json(*found);
  else
    print(*found);
  return kDone;
}

// Prints what `source` has, from `from` on.
template <class Source>
int dump_records(Source& source, uint64_t from, uint64_t limit) {
  for (uint64_t printed = 0; printed < limit;) {
    auto group = source.next();
    if (!group) return report(group.error());
    if (!*group) break;
    for (const journal::Record& record : (*group)->records) {
      if (record.sequence < from) continue;
      if (printed++ == limit) break;
      std::puts(record_json(record).c_str());
    }
  }
  return kDone;
}

// The records of the segments that are there.
int dump_segments(const std::string& dir, uint64_t from, uint64_t limit) {
  base::FileSystem& fs = base::posix_file_system();
  auto listed = journal::segments(dir, fs);
  if (!listed) return report(listed.error());
  if (listed->empty()) return report(Error(ErrorClass::kNotFound, "no journal in " + dir));
  if (from == 0) from = listed->front().first_sequence;
  auto extent = journal::extent(dir, fs);
  if (!extent) return report(extent.error());
  if (from < extent->first_sequence || from > extent->last_sequence + 1) {
    std::fprintf(stderr, "sluice-ctl: --from %" PRIu64 ": the journal holds records %s\n", from,
                 sequences(extent->first_sequence, extent->last_sequence + 1).c_str());
    return kBadArguments;
  }
  auto reader = journal::Reader::open(dir, fs, from);
  if (!reader) return report(reader.error());
  return dump_records(**reader, from, limit);
}

int dump_history(const std::string& dir, uint64_t from, uint64_t limit) {
  auto history = journal::History::open(dir, base::posix_file_system());
  if (!history) return report(history.error());
  return dump_records(**history, from, limit);
}

int dump_items(const std::string& dir) {
  auto folder = journal::load_folder(dir, base::posix_file_system());
  if (!folder) return report(folder.error());
  if (!folder->snapshot) {
    return report(Error(ErrorClass::kNotFound, "no snapshot in " + dir + " yet"));
  }
  for (const auto& [key, item] : folder->snapshot->items) {
    std::puts(item_json(key, item).c_str());
  }
  return kDone;
}

}  // namespace

int journal_command(std::span<const std::string> args) {
  base::CommandLine line(
      "Looks at a journal folder, and finds ways back if it, Redis or MySQL is not what it was. "
      "What "
      "changes anything first tells what it does; with --dry-run it does no more.",
      "sluice-ctl journal");
  std::string dir;
  uint64_t from = 0, limit = std::numeric_limits<uint64_t>::max();
  bool history = false, items = false, as_json = false;
  auto& verify_line = line.command(
      "verify",
      "read snapshot and segments and check every checksum; exit 3 naming file and offset if "
      "anything is damaged. A torn tail is not damage.");
  verify_line.option("DIR", &dir, "the journal's folder").required();
  verify_line.flag("--json", &as_json, "print one JSON object");
  verify_line.does([&] { return verify(dir, as_json); });
  auto& dump_line = line.command(
      "dump", "print one JSON object a record. Bytes that are not UTF-8: {\"base64\": \"...\"}.");
  dump_line.option("DIR", &dir, "the journal's folder").required();
  dump_line.option("--from", &from, "sequence to begin with (default: the oldest that is there)");
  dump_line.option("--limit", &limit, "print at most so many records");
  dump_line.flag("--history", &history,
                 "begin with the snapshot's records (without fields, without retired items), "
                 "then those of the segments: what Redis is rebuilt from");
  dump_line.flag("--items", &items, "print the snapshot's items instead, with their totals");
  dump_line.does([&] {
    if (items) return dump_items(dir);
    return history ? dump_history(dir, from, limit) : dump_segments(dir, from, limit);
  });
  add_list_command(line);
  add_adopt_command(line, "adopt",
                    "the folder is lost, was rolled back, or is to be another proxy's: begin a new "
                    "journal with all that it, Redis and MySQL still prove");
  add_adopt_command(line, "repair",
                    "the folder is damaged: the same; what cannot be read is listed by sequence");
  add_redrain_command(line);
  add_drop_command(line);
  return line.run(args);
}

}  // namespace sluice::ctl
