// What the journals say of an item: counts, what of it is in MySQL, and up to which batch.
#include "ctl/journal_totals.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "journal_files.h"
#include "orders/partition.h"

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
  EXPECT_EQ(item.first_lane_sequence, (Lanes{{1, 1}, {2, 1}}));
  EXPECT_EQ(item.last_lane_sequence, (Lanes{{1, 1}, {2, 2}}));
  EXPECT_TRUE(totals.retired().empty());
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
