// The snapshot: what the drained part of the journal comes down to, so that start-up and a rebuild
// of Redis depend on the items that live and on the tail, not on history.
//
//   records ──drained──► snapshot-….part files (their records, without FIELDS and retired items)
//                        `snapshot`, the manifest: which parts count, and one table entry an item
//
// The compactor (compactor.h) writes it, recovery and History (history.h) read it. A manifest is
// replaced as a whole, and the parts that it names never change; so whoever has read a manifest and
// opened its parts has one state of the past. Layout: docs/journal_format.md.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/error.h"
#include "base/file.h"
#include "journal/record.h"
#include "journal/segment.h"

namespace sluice::journal {

// What the records of one item, as far as this journal has them, come down to.
struct ItemState {
  bool deleted = false;          // its DELETE is among them
  bool deleted_by_last = false;  // that of the last lane, with which the database deletes it
  bool created = false;          // its CREATE is among them; else another proxy's journal has it,
                                 // or the item was retired and these records came later
  int64_t initial_stock = 0;    // of CREATE
  int64_t given = 0;            // CREATE and restocks
  int64_t sold = 0;             // bought, less what was cancelled
  int64_t cancelled = 0;
  int64_t limit = 0;            // 0: none, like start and end
  int64_t start_ms = 0;
  int64_t end_ms = 0;
  int64_t hold_ms = 0;
  int64_t closed_ms = 0;        // time of the CLOSE that holds; 0: open
  int64_t reopened_ms = 0;      // time of the last REOPEN; 0: none
  int64_t last_ms = 0;          // the latest time of any record
  uint64_t first_sequence = 0;  // in the journal
  uint64_t last_sequence = 0;
  uint64_t last_lane_sequence = 0;
  uint64_t last_order_id = 0;   // of a purchase; 0: none
  uint64_t records = 0;

  // Takes in the item's next record, in the journal's order.
  void add(const Record& record);
  bool operator==(const ItemState&) const = default;

 private:
  void set(const Record& record);
};

// Items of one name, made anew after one was deleted, are told apart by what they were born as.
struct ItemView {
  std::string_view name;
  uint64_t born = 0;
};
struct ItemKey {
  std::string name;
  uint64_t born = 0;

  operator ItemView() const { return {name, born}; }  // NOLINT: implicit
  bool operator==(const ItemKey&) const = default;
};
struct ItemHash {
  using is_transparent = void;
  size_t operator()(ItemView item) const {
    return std::hash<std::string_view>{}(item.name) ^ item.born;
  }
};
struct ItemEqual {
  using is_transparent = void;
  bool operator()(ItemView a, ItemView b) const { return a.born == b.born && a.name == b.name; }
};
using ItemTable = std::unordered_map<ItemKey, ItemState, ItemHash, ItemEqual>;

// The journal's lane on one shelf.
struct ShelfState {
  uint64_t last_lane_sequence = 0;
  // Up to here records may have been left out, those of retired items: what Redis lacks from below
  // it on cannot be brought back by adding to what it has.
  uint64_t condensed = 0;

  bool operator==(const ShelfState&) const = default;
};

// One file of records. Parts follow each other without gaps in [first_sequence, end_sequence).
struct PartInfo {
  uint64_t number = 0;          // in the file's name; never used twice
  uint64_t first_sequence = 0;  // of the journal's records that it stands for
  uint64_t end_sequence = 0;
  uint64_t records = 0;         // that it holds
  uint64_t bytes = 0;           // of the file

  bool operator==(const PartInfo&) const = default;
};

struct Snapshot {
  uint64_t journal_id = 0;
  uint64_t generation = 0;       // rises with each manifest
  uint64_t end_sequence = 1;     // every record below it is covered, and in MySQL
  uint64_t fingerprint = 0;      // of all these: fingerprint.h
  uint64_t order_id_max = 0;     // the highest order id below it
  int64_t end_ms = 0;            // the latest time of any record covered
  int64_t retired_ms = 0;        // the latest time of any record of the items that were retired
  uint64_t next_part = 1;        // number of the next part to be written
  std::vector<PartInfo> parts;   // oldest first
  std::vector<ShelfState> shelves;  // by number; never empty once a record was added
  ItemTable items;               // without the retired ones

  uint32_t shelf_count() const { return static_cast<uint32_t>(shelves.size()); }

  // Takes in the record that follows the last one covered, its shelf's table being there.
  void add(const Record& record);
  // False for what is left in the parts of an item that was retired.
  bool holds(const Record& record) const;
  // The item's history is let go.
  ItemTable::iterator retire(ItemTable::iterator item);

  bool operator==(const Snapshot&) const = default;
};

inline constexpr std::string_view kSnapshotName = "snapshot";           // the manifest
inline constexpr std::string_view kSnapshotNextName = "snapshot.next";  // one being written

// The manifest's bytes.
std::string encode_snapshot(const Snapshot& snapshot);
// kCorrupt without a place; the caller knows the file.
Result<Snapshot> decode_snapshot(std::string_view bytes);

// nullopt: there is none, so nothing was compacted yet. kCorrupt: names the file and what to do.
// Reads the manifest only.
Result<std::optional<Snapshot>> load_snapshot(const std::string& dir, base::FileSystem& fs);

// All of a journal folder but the frames: its segments' headers and its manifest, which fit
// together (kCorrupt otherwise: records between them are missing, or one is an older copy, or
// another journal's). The flusher may compact and delete, and a writer write, at the same time.
struct Folder {
  std::vector<SegmentInfo> segments;  // oldest first; empty: no journal yet
  std::optional<Snapshot> snapshot;

  // Records below it are covered by the snapshot; 1 if there is none.
  uint64_t tail_sequence() const { return snapshot ? snapshot->end_sequence : 1; }
};
Result<Folder> load_folder(const std::string& dir, base::FileSystem& fs);

}  // namespace sluice::journal
