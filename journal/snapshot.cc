#include "journal/snapshot.h"

#include <algorithm>
#include <utility>

#include "base/crc32c.h"
#include "journal/bytes.h"
#include "shelves/shelf_of.h"

namespace sluice::journal {
namespace {

constexpr size_t kVersionAt = 8, kShelvesAt = 12, kFileBytesAt = 96;
constexpr size_t kCrcBytes = 4;
constexpr uint8_t kCreatedFlag = 1, kDeletedFlag = 2, kDeletedByLastFlag = 4;
constexpr size_t kItemNameMax = 0xff;

// How often a folder that does not fit together is looked at again: a writer, or the flusher, may
// have changed it between two looks.
constexpr int kLooks = 4;

Error corrupt(const std::string& what, const std::string& what_to_do) {
  return Error(ErrorClass::kCorrupt, what + "; nothing was changed; " + what_to_do +
                                         ", or see docs/journal_format.md, \"Damage\"");
}

void put_item(std::string& out, const ItemKey& key, const ItemState& item) {
  SLUICE_ASSERT(key.name.size() <= kItemNameMax, "an item's name is too long for its length");
  for (const int64_t number : {item.initial_stock, item.given, item.sold, item.cancelled,
                               item.limit, item.start_ms, item.end_ms, item.hold_ms,
                               item.closed_ms, item.reopened_ms, item.last_ms}) {
    put(out, number);
  }
  for (const uint64_t number : {item.first_sequence, item.last_sequence, item.last_lane_sequence,
                                item.last_order_id, item.records, key.born}) {
    put(out, number);
  }
  put(out, static_cast<uint8_t>((item.created ? kCreatedFlag : 0) |
                                (item.deleted ? kDeletedFlag : 0) |
                                (item.deleted_by_last ? kDeletedByLastFlag : 0)));
  put(out, static_cast<uint8_t>(key.name.size()));
  out.append(6, '\0');
  out.append(key.name);
}

// Takes numbers off the front of what is left; the caller checks that they are there.
class Source {
 public:
  explicit Source(std::string_view bytes) : bytes_(bytes) {}

  template <class Number>
  void take(Number& number) {
    number = get<Number>(bytes_, 0);
    bytes_.remove_prefix(sizeof number);
  }
  std::string_view take_bytes(size_t count) {
    const std::string_view taken = bytes_.substr(0, count);
    bytes_.remove_prefix(count);
    return taken;
  }
  size_t left() const { return bytes_.size(); }

 private:
  std::string_view bytes_;
};

bool take_item(Source& in, ItemKey& key, ItemState& item) {
  if (in.left() < kManifestItemBytes) return false;
  for (int64_t* number : {&item.initial_stock, &item.given, &item.sold, &item.cancelled,
                          &item.limit, &item.start_ms, &item.end_ms, &item.hold_ms,
                          &item.closed_ms, &item.reopened_ms, &item.last_ms}) {
    in.take(*number);
  }
  for (uint64_t* number : {&item.first_sequence, &item.last_sequence, &item.last_lane_sequence,
                           &item.last_order_id, &item.records, &key.born}) {
    in.take(*number);
  }
  uint8_t flags = 0, name_bytes = 0;
  in.take(flags);
  in.take(name_bytes);
  (void)in.take_bytes(6);
  if (in.left() < name_bytes) return false;
  item.created = (flags & kCreatedFlag) != 0;
  item.deleted = (flags & kDeletedFlag) != 0;
  item.deleted_by_last = (flags & kDeletedByLastFlag) != 0;
  key.name = in.take_bytes(name_bytes);
  return true;
}

// Parts stand for all records below end_sequence, without gaps.
bool parts_are_whole(const Snapshot& snapshot) {
  uint64_t next = 1;
  for (const PartInfo& part : snapshot.parts) {
    if (part.first_sequence != next || part.end_sequence < next) return false;
    if (part.number == 0 || part.number >= snapshot.next_part) return false;
    next = part.end_sequence;
  }
  return next == snapshot.end_sequence;
}

std::string describe_segment(const SegmentInfo& info) {
  return info.path + " begins with record " + std::to_string(info.header.first_sequence);
}

Status check_folder(const std::string& dir, const Folder& folder) {
  const std::string path = path_in(dir, kSnapshotName);
  if (folder.segments.empty()) {
    if (!folder.snapshot) return {};
    return corrupt(path + " is there, but no segment", "put the segments back from a backup");
  }
  const SegmentInfo& oldest = folder.segments.front();
  const SegmentInfo& newest = folder.segments.back();
  if (!folder.snapshot) {
    if (oldest.header.first_sequence == 1) return {};
    return corrupt(path + " is missing, but " + describe_segment(oldest),
                   "put the snapshot's files back from a backup");
  }
  const Snapshot& snapshot = *folder.snapshot;
  if (snapshot.journal_id != newest.header.journal_id ||
      snapshot.shelf_count() != newest.header.shelves) {
    return corrupt(path + " belongs to another journal than " + newest.path,
                   "put the files of one journal together");
  }
  if (oldest.header.first_sequence > snapshot.end_sequence) {
    return corrupt(path + " ends before record " + std::to_string(snapshot.end_sequence) +
                       ", but " + describe_segment(oldest) + ": those between are missing",
                   "put the missing segments, or the newest snapshot, back from a backup");
  }
  if (newest.header.first_sequence < snapshot.end_sequence) {
    return corrupt(path + " covers all records below " + std::to_string(snapshot.end_sequence) +
                       ", but the newest segment, " + describe_segment(newest) +
                       ": the segments are an older copy",
                   "put the newest ones back");
  }
  for (const SegmentInfo& segment : folder.segments) {
    const SegmentHeader& header = segment.header;
    if (header.first_sequence != snapshot.end_sequence) continue;
    if (header.fingerprint == snapshot.fingerprint) continue;
    return corrupt(path + " and " + segment.path + " come from two histories of one journal",
                   "put the files of one copy together");
  }
  return {};
}

}  // namespace

void ItemState::add(const Record& record) {
  if (records == 0) first_sequence = record.sequence;
  ++records;
  last_sequence = record.sequence;
  last_lane_sequence = record.lane_sequence;
  last_ms = std::max(last_ms, record.time_ms);
  switch (record.type) {
    case RecordType::kCreate:
      created = true;
      initial_stock = record.quantity;
      given += record.quantity;
      set(record);
      break;
    case RecordType::kChange:
      set(record);
      break;
    case RecordType::kDelete:
      deleted = true;
      deleted_by_last = deleted_by_last || record.quantity == 1;
      break;
    case RecordType::kRestock:
      given += record.quantity;
      break;
    case RecordType::kBuy:
      sold += record.quantity;
      last_order_id = record.order_id;
      closed_ms = 0;  // a closed item sells nothing: its REOPEN went through another proxy
      break;
    case RecordType::kCancel:
    case RecordType::kExpire:
    case RecordType::kRefund:
      sold -= record.quantity;
      cancelled += record.quantity;
      break;
    case RecordType::kPay:
      break;
    case RecordType::kClose:
      closed_ms = record.time_ms;
      break;
    case RecordType::kReopen:
      closed_ms = 0;
      reopened_ms = record.time_ms;
      break;
  }
}

void ItemState::set(const Record& record) {
  limit = record.limit;
  start_ms = record.start_ms;
  end_ms = record.end_ms;
  hold_ms = record.hold_ms;
}

void Snapshot::add(const Record& record) {
  const ItemView view{record.item, record.born};
  auto item = items.find(view);
  if (item == items.end()) {
    item = items.emplace(ItemKey{std::string(record.item), record.born}, ItemState()).first;
  }
  item->second.add(record);
  ShelfState& shelf = shelves[shelves::shelf_of(record.item, shelf_count())];
  shelf.last_lane_sequence = std::max(shelf.last_lane_sequence, record.lane_sequence);
  if (record.type == RecordType::kBuy) order_id_max = std::max(order_id_max, record.order_id);
  end_ms = std::max(end_ms, record.time_ms);
  end_sequence = record.sequence + 1;
  fingerprint = record.fingerprint;
}

bool Snapshot::holds(const Record& record) const {
  const auto item = items.find(ItemView{record.item, record.born});
  return item != items.end() && record.sequence >= item->second.first_sequence;
}

ItemTable::iterator Snapshot::retire(ItemTable::iterator item) {
  retired_ms = std::max(retired_ms, item->second.last_ms);
  ShelfState& shelf = shelves[shelves::shelf_of(item->first.name, shelf_count())];
  shelf.condensed = std::max(shelf.condensed, item->second.last_lane_sequence);
  return items.erase(item);
}

std::string encode_snapshot(const Snapshot& snapshot) {
  std::string out(kSnapshotMagic, sizeof kSnapshotMagic);
  put(out, kSnapshotVersion);
  put(out, snapshot.shelf_count());
  put(out, snapshot.journal_id);
  put(out, snapshot.generation);
  put(out, snapshot.end_sequence);
  put(out, snapshot.fingerprint);
  put(out, snapshot.order_id_max);
  put(out, snapshot.end_ms);
  put(out, snapshot.retired_ms);
  put(out, snapshot.next_part);
  put(out, uint64_t{snapshot.parts.size()});
  put(out, uint64_t{snapshot.items.size()});
  put(out, uint64_t{0});  // the file's bytes, known last
  for (const PartInfo& part : snapshot.parts) {
    for (const uint64_t number :
         {part.number, part.first_sequence, part.end_sequence, part.records, part.bytes}) {
      put(out, number);
    }
  }
  for (const ShelfState& shelf : snapshot.shelves) {
    put(out, shelf.last_lane_sequence);
    put(out, shelf.condensed);
  }
  for (const auto& [key, item] : snapshot.items) put_item(out, key, item);
  const uint64_t bytes = out.size() + kCrcBytes;
  std::memcpy(out.data() + kFileBytesAt, &bytes, sizeof bytes);
  put(out, base::crc32c(out));
  return out;
}

Result<Snapshot> decode_snapshot(std::string_view bytes) {
  const auto bad = [](std::string why) { return Error(ErrorClass::kCorrupt, std::move(why)); };
  if (bytes.size() < kManifestHeaderBytes + kCrcBytes) return bad("the file is cut short");
  if (bytes.substr(0, sizeof kSnapshotMagic) !=
      std::string_view(kSnapshotMagic, sizeof kSnapshotMagic)) {
    return bad("this is no snapshot");
  }
  const std::string_view covered = bytes.substr(0, bytes.size() - kCrcBytes);
  if (get<uint32_t>(bytes, covered.size()) != base::crc32c(covered)) {
    return bad("it does not match its checksum");
  }
  if (const auto version = get<uint32_t>(bytes, kVersionAt); version != kSnapshotVersion) {
    return bad("format version " + std::to_string(version) + "; this program reads version " +
               std::to_string(kSnapshotVersion));
  }
  Snapshot snapshot;
  Source in(covered.substr(kVersionAt + 8));
  uint64_t parts = 0, items = 0, file_bytes = 0;
  for (uint64_t* number : {&snapshot.journal_id, &snapshot.generation, &snapshot.end_sequence,
                           &snapshot.fingerprint, &snapshot.order_id_max}) {
    in.take(*number);
  }
  in.take(snapshot.end_ms);
  in.take(snapshot.retired_ms);
  for (uint64_t* number : {&snapshot.next_part, &parts, &items, &file_bytes}) in.take(*number);
  const auto shelves = get<uint32_t>(bytes, kShelvesAt);
  if (file_bytes != bytes.size() || parts > in.left() / kManifestPartBytes ||
      items > in.left() / kManifestItemBytes ||
      parts * kManifestPartBytes + shelves * kManifestShelfBytes > in.left()) {
    return bad("its counts do not fit its size");
  }
  snapshot.parts.resize(parts);
  for (PartInfo& part : snapshot.parts) {
    for (uint64_t* number : {&part.number, &part.first_sequence, &part.end_sequence,
                             &part.records, &part.bytes}) {
      in.take(*number);
    }
  }
  snapshot.shelves.resize(shelves);
  for (ShelfState& shelf : snapshot.shelves) {
    in.take(shelf.last_lane_sequence);
    in.take(shelf.condensed);
  }
  snapshot.items.reserve(items);
  ItemKey key;
  for (uint64_t i = 0; i < items; ++i) {
    ItemState item;
    if (!take_item(in, key, item)) return bad("its item table is cut short");
    snapshot.items.emplace(key, item);
  }
  if (in.left() != 0 || snapshot.items.size() != items) return bad("its item table is malformed");
  if (shelves == 0) return bad("it has no shelves");
  if (snapshot.next_part > kFileNumberMax) return bad("no part has so high a number");
  if (snapshot.journal_id == 0 || !parts_are_whole(snapshot)) return bad("its parts have gaps");
  return snapshot;
}

Result<std::optional<Snapshot>> load_snapshot(const std::string& dir, base::FileSystem& fs) {
  const std::string path = path_in(dir, kSnapshotName);
  auto bytes = base::read_file(fs, path, kManifestBytesMax);
  if (!bytes) {
    if (bytes.error().cls() == ErrorClass::kNotFound) return std::optional<Snapshot>();
    return bytes.error();
  }
  auto snapshot = decode_snapshot(*bytes);
  if (snapshot) return std::optional<Snapshot>(std::move(*snapshot));
  return corrupt(path + ": " + snapshot.error().message(),
                 "put the snapshot's files back from a backup; only if the segments begin with "
                 "record 1, delete them, and the flusher makes them anew");
}

Result<Folder> load_folder(const std::string& dir, base::FileSystem& fs) {
  for (int look = 1;; ++look) {
    Folder folder;
    // Listed first: what is deleted later is covered by the manifest that is read then.
    auto segments = list_segments(dir, fs);
    if (!segments) return segments.error();
    folder.segments = std::move(*segments);
    auto snapshot = load_snapshot(dir, fs);
    if (!snapshot) return snapshot.error();
    folder.snapshot = std::move(*snapshot);
    const Status checked = check_folder(dir, folder);
    if (checked) return folder;
    if (look == kLooks) return checked.error();
  }
}

}  // namespace sluice::journal
