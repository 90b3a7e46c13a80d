// What the journals say of each item: the side that reconcile believes.
//
//   MySQL's checkpoints ─► read() every journal to its end ─► Redis is read ─► follow() up to there
//
// Positions are taken before the journals are read, and Redis is read after them: so a record below
// its position is certainly in MySQL, and a batch in the journal certainly in Redis, unless they
// lost it. What Redis decided meanwhile arrives in the journal a moment later; follow() waits for
// it and counts exactly up to it. Lanes count their batches by shelf: any record of the shelf tells
// how far the journal is. One thread.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "base/error.h"
#include "ctl/sources.h"
#include "ctl/tally.h"
#include "journal/history.h"

namespace sluice::ctl {

// By journal id: the position of each of its writers. A journal that is not there has brought
// nothing yet.
using Checkpoints = std::map<uint64_t, std::vector<uint64_t>>;

// By lane, the sequence of a batch.
using Lanes = std::map<uint32_t, uint64_t>;
inline uint64_t batch_of(const Lanes& lanes, uint32_t lane) {
  const auto found = lanes.find(lane);
  return found == lanes.end() ? 0 : found->second;
}
// By lane, a time.
using LaneTimes = std::map<uint32_t, int64_t>;

// Of the items that had one name the one that was born last: Redis has that one.
struct BornItem {
  uint64_t born = 0;
  bool created = false;     // its creation is among the records
  uint32_t created_by = 0;  // the lane
  int64_t created_ms = 0;
  int64_t initial = 0;      // stock of its creation
  int64_t limit = 0;        // 0: none, like the next three
  int64_t start_ms = 0;
  int64_t end_ms = 0;
  int64_t hold_ms = 0;
  int64_t settings_ms = 0;  // when these were decided, over all lanes
  bool open = true;
  int64_t state_ms = 0;     // when that was
  bool deleted = false;     // by at least one lane

  Sales sales;
  Lanes last_lane_sequence;  // of its records
};

struct JournalItem : BornItem {
  // Of all items of the name.
  Sales all;             // everything counted
  Sales drained;         // that part of it which is in MySQL
  uint64_t waiting = 0;  // records that are not
};
using JournalItems = std::map<std::string, JournalItem, std::less<>>;

// An empty filter lets every item through.
using ItemFilter = std::set<std::string, std::less<>>;

// One journal from the first record that its snapshot or its segments have. Errors: kNotFound if
// there is none; kCorrupt if it is damaged, or older or younger than what MySQL has of it.
class JournalFollower {
 public:
  // Views in the record stay valid during the call.
  using Visitor = std::function<void(const journal::Record& record, bool in_mysql)>;

  static Result<JournalFollower> open(const JournalSource& source, const Checkpoints& checkpoints);

  // Visits all that is there and has not been visited; returns how many records that were.
  Result<uint64_t> read(const Visitor& visit);

  uint32_t lane() const { return lane_; }
  uint64_t id() const { return id_; }
  uint32_t shelves() const { return static_cast<uint32_t>(lane_sequences_.size()); }
  // The last batch that it has, or had, of the lane on a shelf.
  uint64_t lane_sequence(uint32_t shelf) const;
  // 0: no item of the shelf was retired. Else the latest time of any record of all that were.
  int64_t retired_ms(uint32_t shelf) const;

 private:
  JournalFollower() = default;

  uint32_t lane_ = 0;
  uint64_t id_ = 0;
  std::vector<uint64_t> positions_;
  std::vector<uint64_t> lane_sequences_;  // visited last, by shelf
  std::unique_ptr<journal::History> history_;
};

// Visit every record of every journal once, one journal after the other.
Status visit_all(const std::vector<JournalSource>& sources,
                 const std::function<void(const journal::Record&)>& visit);
Status visit_journals(const std::vector<JournalSource>& sources, const Checkpoints& checkpoints,
                      const JournalFollower::Visitor& visit);

// Visits the records of the segments that are still there, FIELDS included, which a snapshot leaves
// out.
Status visit_segments(const std::vector<JournalSource>& sources,
                      const std::function<void(const journal::Record&)>& visit);

class JournalTotals {
 public:
  // kInvalid, too: the journals are of sales with different numbers of shelves.
  static Result<JournalTotals> open(const std::vector<JournalSource>& sources,
                                    const Checkpoints& checkpoints, ItemFilter filter);

  Status read();
  // Reads on until the journals have reached the batches in `targets`, each of its item's shelf, or
  // the time is over. Of an item's records that come now only those up to its target are counted.
  Status follow(const std::map<std::string, Lanes, std::less<>>& targets, int64_t within_us);

  const JournalItems& items() const { return items_; }
  // By lane: the journal's id.
  std::map<uint32_t, uint64_t> ids() const;
  uint32_t shelves() const { return journals_.front().shelves(); }
  // How far the lane's journal is on a shelf; 0: it has nothing, or is not given.
  uint64_t lane_sequence(uint32_t shelf, uint32_t lane) const;
  // By lane: JournalFollower::retired_ms(), of the journals that have retired an item of the shelf.
  // None has: what is in no journal never was.
  LaneTimes retired(uint32_t shelf) const;

 private:
  JournalTotals(std::vector<JournalFollower> journals, ItemFilter filter)
      : journals_(std::move(journals)), filter_(std::move(filter)) {}
  void count(uint32_t lane, const journal::Record& record, bool in_mysql);

  std::vector<JournalFollower> journals_;
  ItemFilter filter_;
  JournalItems items_;
};

}  // namespace sluice::ctl
