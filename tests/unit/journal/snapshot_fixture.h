// A journal with items that sell in batches, and what a snapshot of it must still say.
#pragma once

#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "journal/compactor.h"
#include "journal/history.h"
#include "journal/part.h"
#include "journal/snapshot.h"
#include "journal_fixture.h"

namespace sluice::journal {

constexpr int64_t kStartMs = 1'700'000'000'000;
// A wall time at which every segment is old, and a retention that is not over even then.
constexpr int64_t kLaterMs = int64_t{1} << 51;
constexpr int64_t kForeverMs = kLaterMs;

// A record with texts of its own, FIELDS left out.
struct Fact {
  RecordType type;
  uint64_t sequence;
  uint64_t batch;
  int64_t time_ms;
  std::string item, user, request;
  uint64_t order_id;
  int64_t quantity;

  explicit Fact(const Record& record)
      : type(record.type), sequence(record.sequence), batch(record.lane_sequence),
        time_ms(record.time_ms), item(record.item), user(record.user), request(record.request),
        order_id(record.order_id), quantity(record.quantity) {}
  bool operator==(const Fact&) const = default;
};

// All records, or the first that differs: there are thousands.
MATCHER_P(AreTheFacts, expected, "") {
  for (size_t i = 0; i < std::min(arg.size(), expected.size()); ++i) {
    if (arg[i] == expected[i]) continue;
    *result_listener << "at " << i << ": record " << arg[i].sequence << " of " << arg[i].item
                     << " instead of " << expected[i].sequence << " of " << expected[i].item;
    return false;
  }
  *result_listener << arg.size() << " records instead of " << expected.size();
  return arg.size() == expected.size();
}

class SnapshotTest : public JournalTest {
 protected:
  // An id of this proxy; 0 is one of another.
  static constexpr uint64_t kOwnBorn = uint64_t{7} << 12;

  SnapshotTest() {
    options_.segment_bytes = kSegmentBytesMin;
    options_.proxy_id = 7;
  }

  // Writes a batch of `count` records of the item: purchases of buyers of their own, unless `type`
  // says otherwise. Each is a millisecond younger than the one before.
  void batch(GroupCommit& commit, const std::string& item, uint32_t count,
             RecordType type = RecordType::kBuy, size_t field_bytes = 100,
             int64_t quantity = 1) {
    std::string fields, bytes;
    append_field(fields, "note", std::string(field_bytes, 'x'));
    const uint64_t batch = ++batches_[item];
    if (type == RecordType::kCreate) created_.insert(item);
    for (uint32_t i = 0; i < count; ++i) {
      const std::string user = "user" + std::to_string(++written_);
      Record record;
      record.type = type;
      record.time_ms = now_ms_++;
      record.lane_sequence = batch;
      record.item = item;
      record.born = born(item);
      record.quantity = type == RecordType::kCreate ? 1'000'000 : quantity;
      if (type == RecordType::kBuy || type == RecordType::kCancel) {
        record.user = user;
        record.request = "req";
        record.order_id = 1000 + written_;
      }
      if (type == RecordType::kBuy) record.fields = fields;
      append_record(bytes, record);
    }
    Outcomes outcomes;
    commit.submit(std::move(bytes), count, 0, 1000 + written_, outcomes.collect());
    EXPECT_EQ(outcomes.wait(1).size(), 1u);
  }
  uint64_t born(const std::string& item) { return created_.contains(item) ? kOwnBorn : 0; }
  ItemKey key(const std::string& item) { return {item, born(item)}; }
  // Sells `item` until `segments` more segments are full, in batches of 1 to 7.
  void fill(GroupCommit& commit, const std::string& item, size_t count) {
    const size_t wanted = segments(dir_, fs_)->back().number + count;
    for (uint32_t i = 0; !std::filesystem::exists(segment_path(wanted)); ++i) {
      batch(commit, item, 1 + i % 7);
    }
  }

  // One late pass of a compactor of its own, with everything drained.
  Compactor::Report compact(int64_t retain_ms = kForeverMs) {
    auto report = Compactor(dir_, unsynced_).pass(end(), kLaterMs, retain_ms);
    EXPECT_TRUE(report.ok()) << report.error().message();
    return report ? *report : Compactor::Report();
  }
  // The same at the journal's own time, which is long past: no segment is old. Items that have been
  // over for `over_ms` are retired.
  Compactor::Report retire(int64_t over_ms) {
    const int64_t retain_ms = (over_ms + Compactor::kItemRetains - 1) / Compactor::kItemRetains;
    auto report = Compactor(dir_, unsynced_).pass(end(), now_ms_, retain_ms);
    EXPECT_TRUE(report.ok()) << report.error().message();
    return report ? *report : Compactor::Report();
  }
  // Of the record to come.
  uint64_t end() { return written_ + 1; }

  Snapshot snapshot() {
    auto loaded = load_snapshot(dir_, unsynced_);
    EXPECT_TRUE(loaded.ok()) << loaded.error().message();
    return loaded && *loaded ? **loaded : Snapshot();
  }
  std::string manifest_path() { return path_in(dir_, kSnapshotName); }
  std::string part_path(uint64_t number) { return path_in(dir_, part_name(number)); }

  // Everything in the folder's segments; while none of them is deleted: everything there ever was.
  std::vector<Fact> facts() {
    std::vector<Fact> all;
    auto found = examine(dir_, unsynced_, [&](const Record& record) { all.emplace_back(record); });
    EXPECT_TRUE(found.ok()) << found.error().message();
    return all;
  }
  std::vector<Fact> history() {
    std::vector<Fact> all;
    auto opened = History::open(dir_, unsynced_);
    EXPECT_TRUE(opened.ok()) << opened.error().message();
    if (opened) read_on(**opened, all);
    return all;
  }
  static void read_on(History& history, std::vector<Fact>& into) {
    for (;;) {
      auto group = history.next();
      ASSERT_TRUE(group.ok()) << group.error().message();
      if (!*group) return;
      for (const Record& record : (*group)->records) into.emplace_back(record);
    }
  }
  static std::vector<Fact> without(const std::string& item, std::vector<Fact> facts) {
    std::erase_if(facts, [&](const Fact& fact) { return fact.item == item; });
    return facts;
  }

  int64_t now_ms_ = kStartMs;
  uint64_t written_ = 0;
  std::map<std::string, uint64_t> batches_;  // the last one of each item
  std::set<std::string> created_;            // here
};

}  // namespace sluice::journal
