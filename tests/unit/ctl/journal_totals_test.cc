// What the journals say of an item: counts, what of it is in MySQL, and up to which batch.
#include "ctl/journal_totals.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "base/clock.h"
#include "journal/compactor.h"
#include "journal_files.h"
#include "orders/partition.h"
#include "shelves/shelf_of.h"

namespace sluice::ctl {
namespace {

using journal::RecordType;
using testing::HasSubstr;

Tally tally(std::initializer_list<journal::Record> purchases) {
  Tally sum;
  for (const auto& one : purchases) sum.add(one.order_id, one.user, one.quantity);
  return sum;
}

class JournalTotalsTest : public testing::Test {
 protected:
  JournalTotals open(const Checkpoints& checkpoints, const ItemFilter& filter = {}) {
    auto totals = JournalTotals::open(sources_, checkpoints, filter);
    EXPECT_TRUE(totals.ok()) << totals.error().message();
    return std::move(*totals);
  }
  static uint32_t shelf_of(std::string_view item) { return shelves::shelf_of(item, 64); }
  // Another item of phone's shelf.
  static std::string neighbour() {
    for (int i = 0;; ++i) {
      const std::string name = "item-" + std::to_string(i);
      if (shelf_of(name) == shelf_of("phone")) return name;
    }
  }
  uint64_t journal_id(size_t i) const {
    return journal::extent(sources_[i].dir, base::posix_file_system())->journal_id;
  }

  const test::TempFolder folder_;
  std::vector<JournalSource> sources_{{folder_ / "one", 1}, {folder_ / "two", 2}};
};

TEST_F(JournalTotalsTest, JournalsOfSeveralProxiesAreAddedUp) {
  const auto ann = purchase(1, 10, "ann", 2), bob = purchase(1, 11, "bob", 1);
  write_journal(sources_[0].dir, {record(RecordType::kCreate, 1, 50), ann});
  write_journal(sources_[1].dir,
                {bob, record(RecordType::kRestock, 2, -5), cancellation(2, 10, "ann", 2)});
  JournalTotals totals = open({});
  ASSERT_TRUE(totals.read().ok());
  const JournalItem& item = totals.items().at("phone");
  EXPECT_TRUE(item.created);
  EXPECT_EQ(item.all.given, 45);
  EXPECT_EQ(item.all.bought, tally({ann, bob}));
  EXPECT_EQ(item.all.cancelled, tally({ann}));
  EXPECT_EQ(item.all.sold(), 1);
  EXPECT_EQ(item.all.left(), 44);
  EXPECT_EQ(item.waiting, 5u);
  EXPECT_EQ(item.drained, Sales());
  EXPECT_EQ(item.created_by, 1u);
  EXPECT_EQ(item.sales, item.all);
  EXPECT_EQ(item.last_lane_sequence, (Lanes{{1, 1}, {2, 2}}));
  EXPECT_EQ(totals.lane_sequence(shelf_of("phone"), 2), 2u);
  EXPECT_EQ(totals.lane_sequence(shelf_of("phone"), 3), 0u) << "its journal is not given";
  EXPECT_TRUE(totals.retired(shelf_of("phone")).empty());
}

TEST_F(JournalTotalsTest, OfSeveralItemsOfANameTheLastBornIsTheOneInRedis) {
  auto create = record(RecordType::kCreate, 4, 7), late = purchase(5, 12, "cid", 1);
  create.born = 9;
  create.limit = 3;
  write_journal(sources_[0].dir, {record(RecordType::kCreate, 1, 50), purchase(2, 10, "ann", 2),
                                  record(RecordType::kClose, 3), create});
  write_journal(sources_[1].dir, {purchase(1, 11, "bob", 1), late});
  JournalTotals totals = open({});
  ASSERT_TRUE(totals.read().ok());
  const JournalItem& item = totals.items().at("phone");
  EXPECT_EQ(item.born, 9u);
  EXPECT_EQ(item.initial, 7);
  EXPECT_EQ(item.limit, 3);
  EXPECT_TRUE(item.open) << "it was the other one that was closed";
  EXPECT_EQ(item.sales, (Sales{7, {}, {}}));
  EXPECT_EQ(item.last_lane_sequence, (Lanes{{1, 4}})) << "nothing of it was sold by lane 2";
  EXPECT_EQ(item.all.given, 57) << "MySQL's row counts both";
  EXPECT_EQ(item.all.sold(), 4);
}

TEST_F(JournalTotalsTest, OfSettingsInTwoJournalsTheLaterOnesCount) {
  auto create = record(RecordType::kCreate, 1, 50), change = record(RecordType::kChange, 1);
  create.hold_ms = 1;
  change.time_ms = create.time_ms + 1;
  change.hold_ms = 2;
  write_journal(sources_[0].dir, {change});
  write_journal(sources_[1].dir, {create});
  JournalTotals totals = open({});
  ASSERT_TRUE(totals.read().ok());
  EXPECT_EQ(totals.items().at("phone").hold_ms, 2);
  EXPECT_EQ(totals.items().at("phone").created_by, 2u);
}

TEST_F(JournalTotalsTest, WhatIsInMysqlFollowsEachWritersPosition) {
  sources_.pop_back();
  std::vector<journal::Record> records{record(RecordType::kCreate, 1, 50)};
  std::vector<std::string> users;
  for (int i = 0; i < 40; ++i) users.push_back("u" + std::to_string(i));
  for (size_t i = 0; i < users.size(); ++i) {
    records.push_back(purchase(i + 2, uint64_t{100 + i} << 24, users[i], 1));  // runs of two
  }
  write_journal(sources_[0].dir, records);
  // Writer 0 has brought everything, writer 1 nothing.
  JournalTotals totals = open({{journal_id(0), {42, 1}}});
  ASSERT_TRUE(totals.read().ok());
  uint64_t of_writer_0 = 0;
  for (const auto& one : records) of_writer_0 += orders::writer_of(one, 2) == 0;
  ASSERT_GT(of_writer_0, 0u);
  ASSERT_LT(of_writer_0, records.size());
  EXPECT_EQ(totals.items().at("phone").waiting, records.size() - of_writer_0);
}

TEST_F(JournalTotalsTest, OneBelowThePositionIsInMysqlTheOneAtItIsNot) {
  sources_.pop_back();
  write_journal(sources_[0].dir, {record(RecordType::kCreate, 1, 50), purchase(2, 10, "ann", 2),
                                  purchase(3, 11, "bob", 1)});
  for (const auto& [position, drained] : {std::pair(2u, 0), std::pair(3u, 2), std::pair(4u, 3)}) {
    JournalTotals totals = open({{journal_id(0), {position}}});
    ASSERT_TRUE(totals.read().ok());
    EXPECT_EQ(totals.items().at("phone").drained.sold(), drained) << position;
  }
}

TEST_F(JournalTotalsTest, OtherItemsAreLeftOutIfSomeAreNamed) {
  sources_.pop_back();
  auto radio = record(RecordType::kCreate, 1, 7);
  radio.item = "radio";
  write_journal(sources_[0].dir, {record(RecordType::kCreate, 1, 50), radio});
  JournalTotals totals = open({}, {"radio"});
  ASSERT_TRUE(totals.read().ok());
  ASSERT_EQ(totals.items().size(), 1u);
  EXPECT_EQ(totals.items().at("radio").all.given, 7);
}

TEST_F(JournalTotalsTest, FollowCountsUpToRedissBatchAndNoFurther) {
  sources_.pop_back();
  write_journal(sources_[0].dir, {record(RecordType::kCreate, 1, 50)});
  JournalTotals totals = open({});
  ASSERT_TRUE(totals.read().ok());
  std::thread writer([&] {
    write_journal(sources_[0].dir, {purchase(2, 10, "ann", 2), purchase(3, 11, "bob", 1)});
  });
  const auto followed = totals.follow({{"phone", {{1, 2}}}}, 10'000'000);
  writer.join();
  ASSERT_TRUE(followed.ok()) << followed.error().message();
  EXPECT_EQ(totals.items().at("phone").all.sold(), 2);
  EXPECT_EQ(totals.items().at("phone").last_lane_sequence, (Lanes{{1, 2}}));
}

TEST_F(JournalTotalsTest, ABatchHasComeWithARecordOfAnyItemOfTheShelf) {
  sources_.pop_back();
  write_journal(sources_[0].dir, {record(RecordType::kCreate, 1, 50)});
  JournalTotals totals = open({}, {"phone"});
  ASSERT_TRUE(totals.read().ok());
  const std::string other = neighbour();
  auto create = record(RecordType::kCreate, 2, 9);
  create.item = other;
  write_journal(sources_[0].dir, {create, purchase(3, 10, "ann", 2)});
  const int64_t began_us = base::monotonic_us();
  ASSERT_TRUE(totals.follow({{"phone", {{1, 2}}}}, 10'000'000).ok());
  EXPECT_LT(base::monotonic_us() - began_us, 5'000'000);
  EXPECT_EQ(totals.items().at("phone").all.sold(), 0);
  EXPECT_EQ(totals.items().at("phone").last_lane_sequence, (Lanes{{1, 1}}));
  EXPECT_EQ(totals.lane_sequence(shelf_of("phone"), 1), 3u);
  EXPECT_FALSE(totals.items().contains(other)) << "it was not asked for";
}

TEST_F(JournalTotalsTest, WhatRetiredItemsLeftOutHasComeToo) {
  sources_.pop_back();
  auto close = record(RecordType::kClose, 2);
  auto later = record(RecordType::kCreate, 1, 9);
  later.item = "radio";
  later.time_ms = close.time_ms + 1000;
  ASSERT_NE(shelf_of("radio"), shelf_of("phone"));
  // Whole segments only are compacted: fields fill one.
  std::string fields;
  journal::append_field(fields, "note", std::string(60'000, 'x'));
  std::vector<journal::Record> records{record(RecordType::kCreate, 1, 50), close, later};
  for (uint64_t batch = 2; batch < 40; ++batch) {
    auto one = purchase(batch, batch, "ann", 1);
    one.item = "radio";
    one.time_ms = later.time_ms;
    one.fields = fields;
    records.push_back(one);
  }
  write_journal(sources_[0].dir, records);
  auto& fs = base::posix_file_system();
  ASSERT_EQ(journal::Compactor(sources_[0].dir, fs).pass(42, INT64_MAX, 0)->items_retired, 1u);
  JournalTotals totals = open({{journal_id(0), {42}}});
  ASSERT_TRUE(totals.read().ok());
  EXPECT_FALSE(totals.items().contains("phone"));
  EXPECT_EQ(totals.lane_sequence(shelf_of("phone"), 1), 2u);
  EXPECT_EQ(totals.retired(shelf_of("phone")), (LaneTimes{{1, close.time_ms}}));
  EXPECT_TRUE(totals.retired(shelf_of("radio")).empty()) << "nothing of this shelf was";
}

TEST_F(JournalTotalsTest, JournalsWithDifferentNumbersOfShelvesAreRefused) {
  write_journal(sources_[0].dir, {record(RecordType::kCreate, 1, 50)});
  write_journal(sources_[1].dir, {purchase(1, 10, "ann", 2)}, 32);
  const auto totals = JournalTotals::open(sources_, {}, {});
  ASSERT_FALSE(totals.ok());
  EXPECT_EQ(totals.error().cls(), ErrorClass::kInvalid);
  EXPECT_THAT(totals.error().message(), HasSubstr("(32)"));
}

TEST_F(JournalTotalsTest, FollowGivesUpOnABatchThatDoesNotCome) {
  sources_.pop_back();
  write_journal(sources_[0].dir, {record(RecordType::kCreate, 1, 50)});
  JournalTotals totals = open({});
  ASSERT_TRUE(totals.read().ok());
  ASSERT_TRUE(totals.follow({{"phone", {{1, 2}}}, {"radio", {{1, 1}}}}, 20'000).ok());
  EXPECT_EQ(totals.items().at("phone").last_lane_sequence, (Lanes{{1, 1}}));
}

TEST_F(JournalTotalsTest, APositionThatTheJournalDoesNotHaveIsRefused) {
  sources_.pop_back();
  write_journal(sources_[0].dir, {record(RecordType::kCreate, 1, 50)});
  EXPECT_TRUE(JournalTotals::open(sources_, {{journal_id(0), {2}}}, {}).ok());
  const auto ahead = JournalTotals::open(sources_, {{journal_id(0), {3}}}, {});
  ASSERT_FALSE(ahead.ok());
  EXPECT_EQ(ahead.error().cls(), ErrorClass::kCorrupt);
  EXPECT_THAT(ahead.error().message(), HasSubstr("older than the database"));
}

TEST_F(JournalTotalsTest, AFolderWithoutAJournalIsNotFound) {
  const auto none = JournalTotals::open(sources_, {}, {});
  ASSERT_FALSE(none.ok());
  EXPECT_EQ(none.error().cls(), ErrorClass::kNotFound);
}

TEST_F(JournalTotalsTest, OfCloseAndReopenInTwoJournalsTheLaterOneCounts) {
  auto close = record(RecordType::kClose, 1), reopen = record(RecordType::kReopen, 2);
  reopen.time_ms = close.time_ms + 1;
  write_journal(sources_[0].dir, {record(RecordType::kCreate, 1, 50), reopen});
  write_journal(sources_[1].dir, {close});
  JournalTotals totals = open({});
  ASSERT_TRUE(totals.read().ok());
  EXPECT_TRUE(totals.items().at("phone").open);
}

}  // namespace
}  // namespace sluice::ctl
