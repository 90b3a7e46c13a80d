// The janitor beside a real drain: what is in MySQL is compacted, and deleted after the retention.
#include "flusher/janitor.h"

#include "journal/history.h"
#include "tests/unit/flusher/flusher_fixture.h"

namespace sluice::flusher {
namespace {

constexpr int64_t kRetainMs = 1000;

class JanitorTest : public FlusherTest {
 protected:
  size_t segments() {
    return journal::segments(options.journal_dir, base::posix_file_system())->size();
  }
  // Purchases with FIELDS of a kilobyte each: about a thousand a segment.
  void sell(const std::string& item, uint64_t first_id, uint64_t last_id) {
    std::string fields;
    journal::append_field(fields, "v", std::string(1000, 'x'));
    for (uint64_t id = first_id; id <= last_id; ++id) journal().buy(item, "u", id, 1, "", fields);
    journal().commit();
  }
  bool drain(RunningFlusher& flusher) {
    return eventually([&] {
      flusher.loop.request_flush();
      return flusher.status.read().position == journal().last_sequence() + 1;
    });
  }
  std::unique_ptr<Janitor> janitor_of(RunningFlusher& flusher) {
    return std::make_unique<Janitor>(options.journal_dir, base::posix_file_system(),
                                     kRetainMs * 1000, flusher.status, options.mysql);
  }
  uint64_t records_in_history() {
    auto history = journal::History::open(options.journal_dir, base::posix_file_system());
    EXPECT_TRUE(history.ok()) << history.error().message();
    uint64_t records = 0;
    for (auto group = (*history)->next(); *group; group = (*history)->next()) {
      records += (*group)->records.size();
    }
    return records;
  }
};

TEST_F(JanitorTest, DrainedSegmentsAreCompactedAndDeletedAfterTheRetention) {
  const int64_t begin_ms = base::wall_ms();  // however slow the machine, nothing is older
  journal().create("phone", 1'000'000);
  sell("phone", 1, 5000);
  const size_t count = segments();
  ASSERT_GE(count, 4u);
  RunningFlusher flusher(options, false);
  const auto janitor = janitor_of(flusher);
  ASSERT_TRUE(drain(flusher));
  ASSERT_TRUE(eventually([&] { return flusher.status.read().state != State::kDraining; }));
  auto passed = janitor->pass(begin_ms);
  ASSERT_TRUE(passed.ok()) << passed.error().message();
  EXPECT_EQ(passed->segments_compacted, count - 1) << "all but the newest";
  EXPECT_EQ(passed->segments_removed, 0u) << "the retention has not passed";
  passed = janitor->pass(base::wall_ms() + 10 * kRetainMs);
  ASSERT_TRUE(passed.ok()) << passed.error().message();
  EXPECT_EQ(passed->segments_removed, count - 1) << "though the item is open";
  EXPECT_EQ(segments(), 1u);
  EXPECT_EQ(records_in_history(), 5001u);

  // A flusher that starts on what is left goes on where it was.
  ASSERT_EQ(flusher.stop().exit_code, 0);
  sell("phone", 5001, 5001);
  const LoopEnd end = drain_once();
  EXPECT_EQ(end.exit_code, 0) << end.message;
  EXPECT_EQ(database.ask("SELECT COUNT(*) FROM orders"), "5001");
  EXPECT_EQ(broken_invariants(), "");
}

TEST_F(JanitorTest, WhatIsNotInMysqlIsNeitherCompactedNorDeleted) {
  sell("phone", 1, 3000);
  RunningFlusher flusher(options, false);
  EXPECT_TRUE(flusher.loop.pause(true).ok());
  const auto janitor = janitor_of(flusher);
  const auto pass = [&] {
    auto passed = janitor->pass(base::wall_ms() + 10 * kRetainMs);
    EXPECT_TRUE(passed.ok()) << passed.error().message();
    return passed->segments_compacted + passed->segments_removed;
  };
  EXPECT_EQ(pass(), 0u) << "no checkpoint is known yet";
  ASSERT_TRUE(eventually([&] { return flusher.status.read().journal_id != 0; }));
  EXPECT_EQ(pass(), 0u);
  EXPECT_TRUE(flusher.loop.pause(false).ok());
  ASSERT_TRUE(drain(flusher));
  ASSERT_TRUE(eventually([&] { return flusher.status.read().state != State::kDraining; }));
  EXPECT_GT(pass(), 0u);
}

TEST_F(JanitorTest, WhileADrainIsUnderWayItWaitsForSeveralSegments) {
  StatusBoard status;
  sell("phone", 1, 6000);
  auto listed = journal::segments(options.journal_dir, base::posix_file_system());
  ASSERT_GE(listed->size(), 6u);
  const uint64_t journal_id =
      journal::extent(options.journal_dir, base::posix_file_system())->journal_id;
  Janitor janitor(options.journal_dir, base::posix_file_system(), kRetainMs * 1000, status,
                  options.mysql);
  const auto pass_at = [&](size_t drained, State state) {
    status.update([&](StatusSnapshot& now) {
      now.journal_id = journal_id;
      now.state = state;
      now.position = (*listed)[drained].first_sequence;
    });
    auto passed = janitor.pass(base::wall_ms());
    EXPECT_TRUE(passed.ok()) << passed.error().message();
    return passed->segments_compacted;
  };
  EXPECT_EQ(pass_at(3, State::kDraining), 0u);
  EXPECT_EQ(pass_at(4, State::kDraining), 4u);
  EXPECT_EQ(pass_at(5, State::kDraining), 0u);
  EXPECT_EQ(pass_at(5, State::kHolding), 1u);
}

// Two proxies, a journal each. What was closed through one and reopened through the other is not
// over; what was closed through the other is.
TEST_F(JanitorTest, AnItemIsOverWhenAllJournalsTogetherSaySo) {
  const std::string first = options.journal_dir;
  journal().time_ms = 1'000'000;
  journal().create("reopened", 100);
  journal().create("closed", 100);
  sell("reopened", 1, 1);
  sell("closed", 2, 2);
  journal().close("reopened");
  journal().commit();
  options.journal_dir = dir.path() + "/second";
  testing_support::JournalFeeder second(options.journal_dir);
  second.time_ms = 1'000'001;
  second.reopen("reopened");
  second.close("closed");
  second.commit();
  ASSERT_EQ(drain_once().exit_code, 0);
  options.journal_dir = first;
  journal().time_ms = 2'000'000 + kRetainMs;
  sell("another", 3, 3000);

  RunningFlusher flusher(options, false);
  const auto janitor = janitor_of(flusher);
  ASSERT_TRUE(drain(flusher));
  ASSERT_TRUE(eventually([&] { return flusher.status.read().state != State::kDraining; }));
  auto passed = janitor->pass(base::wall_ms());
  ASSERT_TRUE(passed.ok()) << passed.error().message();
  EXPECT_EQ(passed->items_retired, 1u);
  const auto snapshot = journal::load_snapshot(first, base::posix_file_system());
  ASSERT_TRUE(snapshot.ok() && *snapshot);
  EXPECT_TRUE((*snapshot)->items.contains(journal::ItemKey{"reopened"}));
  EXPECT_FALSE((*snapshot)->items.contains(journal::ItemKey{"closed"}));
}

TEST_F(JanitorTest, ItsThreadDoesItPromptly) {
  sell("phone", 1, 3000);
  RunningFlusher flusher(options, false);
  const auto janitor = janitor_of(flusher);
  janitor->set_retain(0);
  janitor->start();
  ASSERT_TRUE(drain(flusher));
  EXPECT_TRUE(eventually([&] { return segments() == 1; }));
  janitor->stop();
  EXPECT_EQ(records_in_history(), 3000u);
}

TEST_F(JanitorTest, DatabaseWithoutCheckpointRefusesAShortenedJournal) {
  std::string fields;
  journal::append_field(fields, "v", std::string(1000, 'x'));
  for (uint64_t id = 1; id <= 3000; ++id) journal().buy("phone", "u", id, 1, "", fields);
  journal().commit();
  const auto segments = journal::segments(options.journal_dir, base::posix_file_system());
  ASSERT_GE(segments->size(), 2u);
  ASSERT_TRUE(journal::remove_segment(options.journal_dir, base::posix_file_system(),
                                      segments->front().number)
                  .ok());
  const LoopEnd end = drain_once();
  EXPECT_EQ(end.exit_code, 3);
  EXPECT_NE(end.message.find("no checkpoint of this journal"), std::string::npos) << end.message;
}

}  // namespace
}  // namespace sluice::flusher
