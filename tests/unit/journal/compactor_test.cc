// Compaction: what stays, what goes, when, and what a pass that dies leaves behind.
#include <algorithm>

#include "snapshot_fixture.h"

namespace sluice::journal {
namespace {

using testing::HasSubstr;

class CompactorTest : public SnapshotTest {
 protected:
  // The names in the folder that are parts.
  size_t part_files() {
    auto entries = fs_.list(dir_);
    return static_cast<size_t>(std::count_if(entries->begin(), entries->end(), [](const auto& e) {
      return part_number(e.name) != 0;
    }));
  }
  // Closes the item and lets `ms` of the journal's time pass, during which another one sells.
  void close(GroupCommit& commit, const std::string& item, int64_t ms) {
    batch(commit, item, 1, RecordType::kClose);
    now_ms_ += ms;
    fill(commit, "other", 1);
  }
};

TEST_F(CompactorTest, FieldsGoAndEverythingElseStays) {
  auto commit = open();
  batch(*commit, "phone", 1, RecordType::kCreate);
  fill(*commit, "phone", 3);
  const Compactor::Report report = compact();
  EXPECT_EQ(report.segments_compacted, 3u);
  EXPECT_EQ(report.segments_removed, 0u);
  EXPECT_THAT(history(), AreTheFacts(facts()));
  const Snapshot made = snapshot();
  ASSERT_EQ(made.parts.size(), 1u);
  EXPECT_EQ(made.parts[0].records, report.records_written);
  EXPECT_EQ(made.end_sequence, segments(dir_, fs_)->back().first_sequence);
  EXPECT_LT(made.parts[0].bytes, 2u * kSegmentBytesMin) << "half of each record was FIELDS";
}

TEST_F(CompactorTest, TheTableIsWhatTheRecordsComeDownTo) {
  auto commit = open();
  batch(*commit, "phone", 1, RecordType::kCreate);
  batch(*commit, "phone", 5);
  batch(*commit, "phone", 2, RecordType::kCancel);
  batch(*commit, "phone", 3, RecordType::kRestock);
  const uint64_t last_order = 1000 + 6;
  batch(*commit, "watch", 4);
  batch(*commit, "phone", 1, RecordType::kClose);
  fill(*commit, "other", 2);
  compact();
  const Snapshot made = snapshot();
  const ItemState& phone = made.items.at(key("phone"));
  EXPECT_TRUE(phone.created);
  EXPECT_EQ(phone.initial_stock, 1'000'000);
  EXPECT_EQ(phone.given, 1'000'003);
  EXPECT_EQ(phone.sold, 3);
  EXPECT_EQ(phone.cancelled, 2);
  EXPECT_EQ(phone.closed_ms, kStartMs + 15);
  EXPECT_EQ(phone.last_ms, kStartMs + 15);
  EXPECT_EQ(phone.first_sequence, 1u);
  EXPECT_EQ(phone.last_sequence, 16u);
  EXPECT_EQ(phone.last_lane_sequence, 5u);
  EXPECT_EQ(phone.last_order_id, last_order);
  EXPECT_EQ(phone.records, 12u);
  EXPECT_FALSE(made.items.at(key("watch")).created);
  EXPECT_EQ(made.items.at(key("watch")).sold, 4);
  EXPECT_EQ(made.end_ms, kStartMs + static_cast<int64_t>(made.end_sequence) - 2);
  EXPECT_EQ(made.order_id_max, 1000 + made.end_sequence - 1);
}

TEST_F(CompactorTest, OnlyWholeSegmentsThatAreInMysqlAreCovered) {
  auto commit = open();
  fill(*commit, "phone", 3);
  const auto listed = *segments(dir_, fs_);
  Compactor compactor(dir_, unsynced_);
  EXPECT_EQ(compactor.pass(listed[1].first_sequence - 1, now_ms_, 0)->segments_compacted, 0u);
  EXPECT_FALSE(std::filesystem::exists(manifest_path()));
  EXPECT_EQ(compactor.pass(listed[1].first_sequence, now_ms_, 0)->segments_compacted, 1u);
  EXPECT_EQ(snapshot().end_sequence, listed[1].first_sequence);
  EXPECT_EQ(compactor.pass(listed[2].first_sequence + 1, now_ms_, 0, 2)->segments_compacted, 0u)
      << "two must wait";
  EXPECT_EQ(compactor.pass(end(), now_ms_, 0, 2)->segments_compacted, 2u);
  EXPECT_EQ(snapshot().end_sequence, listed[3].first_sequence) << "the newest segment stays";
  EXPECT_EQ(compactor.pass(end(), now_ms_, 0)->segments_compacted, 0u);
}

TEST_F(CompactorTest, PartsAreMergedSoThatTheirNumberStaysLogarithmic) {
  auto commit = open();
  uint64_t written = 0;
  for (int i = 0; i < 40; ++i) {
    fill(*commit, "phone", 1);
    written += compact().records_written;
    ASSERT_LE(snapshot().parts.size(), 7u);
    ASSERT_EQ(part_files(), snapshot().parts.size());
  }
  const uint64_t covered = snapshot().end_sequence - 1;
  EXPECT_LT(written, covered * 7) << "each record is written a logarithmic number of times";
  EXPECT_THAT(history(), AreTheFacts(facts()));
}

TEST_F(CompactorTest, EachBatchStaysWholeAndTheirNumbersHaveNoGap) {
  auto commit = open();
  for (int round = 0; round < 12; ++round) {
    for (uint32_t i = 0; i < 100; ++i) batch(*commit, "item" + std::to_string(i % 9), 1 + i % 40);
    compact();
  }
  auto opened = History::open(dir_, unsynced_);
  ASSERT_TRUE(opened.ok());
  std::map<std::string, uint64_t> last;
  for (;;) {
    auto group = (*opened)->next();
    ASSERT_TRUE(group.ok());
    if (!*group) break;
    std::map<std::string, uint64_t> before = last;
    for (const Record& record : (*group)->records) {
      uint64_t& batch = last[std::string(record.item)];
      ASSERT_GT(record.lane_sequence, before[std::string(record.item)]) << "a batch in two groups";
      ASSERT_LE(record.lane_sequence, batch + 1) << "a batch is missing";
      batch = record.lane_sequence;
    }
  }
  EXPECT_EQ(last, batches_);
}

// Retention is a wish, the limit is not: drained segments that are only kept go once there is no
// room, by the older half at a time, and the writer goes on.
TEST_F(CompactorTest, WhatIsOnlyKeptGivesWayToAWriterWithoutRoom) {
  options_.bytes_max = 6 * kSegmentBytesMin;
  auto commit = open();
  const auto has_room = [&] {
    if (!commit->reserve(1000)) return false;
    commit->release(1000);
    return true;
  };
  while (has_room()) batch(*commit, "phone", 7);
  const std::string wanted = path_in(dir_, kRoomWantedName);
  for (int i = 0; i < 2000 && !std::filesystem::exists(wanted); ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  ASSERT_TRUE(std::filesystem::exists(wanted));
  const auto before = facts();
  const size_t segments_before = segments(dir_, fs_)->size();
  const auto report = compact(kForeverMs);
  EXPECT_GT(report.segments_removed, 0u);
  EXPECT_LE(report.segments_removed, segments_before / 2 + 1);
  EXPECT_THAT(history(), AreTheFacts(before)) << "nothing is lost but the copies";
  for (int i = 0; i < 2000 && !has_room(); ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  EXPECT_TRUE(has_room());
  batch(*commit, "phone", 7);
  for (int i = 0; i < 2000 && std::filesystem::exists(wanted); ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  EXPECT_FALSE(std::filesystem::exists(wanted));
}

TEST_F(CompactorTest, AClosedItemIsRetiredWhenTheRetentionHasPassed) {
  auto commit = open();
  batch(*commit, "phone", 1, RecordType::kCreate);
  fill(*commit, "phone", 2);
  close(*commit, "phone", 500);
  const int64_t closed_ms = facts().front().time_ms;  // not before
  EXPECT_EQ(retire(1'000'000).items_retired, 0u);
  EXPECT_EQ(snapshot().retired_ms, 0);
  fill(*commit, "other", 1);
  EXPECT_EQ(retire(500).items_retired, 1u);
  const Snapshot made = snapshot();
  EXPECT_FALSE(made.items.contains(key("phone")));
  EXPECT_GT(made.retired_ms, closed_ms);
  EXPECT_THAT(history(), AreTheFacts(without("phone", facts())));
  // What is left of it in the parts goes once it is more than half of them.
  uint64_t held = 0;
  for (int i = 0; i < 3; ++i) {
    fill(*commit, "other", 1);
    retire(500);
  }
  for (const PartInfo& part : snapshot().parts) held += part.records;
  EXPECT_EQ(held, snapshot().items.at(key("other")).records);
  EXPECT_THAT(history(), AreTheFacts(without("phone", facts())));
}

TEST_F(CompactorTest, GarbageIsWrittenAwayOnceItIsOverHalf) {
  auto commit = open();
  batch(*commit, "other", 1, RecordType::kCreate);
  fill(*commit, "phone", 20);
  close(*commit, "phone", 1000);
  retire(1000);
  ASSERT_EQ(snapshot().parts.size(), 1u);
  ASSERT_GT(snapshot().parts[0].records, 1000u);
  fill(*commit, "other", 1);
  retire(1000);
  EXPECT_EQ(snapshot().parts[0].records, snapshot().items.at(key("other")).records);
  EXPECT_THAT(history(), AreTheFacts(without("phone", facts())));
}

// The journal's time stands still with it.
TEST_F(CompactorTest, AnIdleJournalRetiresNothing) {
  auto commit = open();
  fill(*commit, "phone", 1);
  batch(*commit, "phone", 1, RecordType::kClose);
  fill(*commit, "other", 1);
  now_ms_ += 1'000'000;
  EXPECT_EQ(retire(100'000).items_retired, 0u);
}

TEST_F(CompactorTest, AReopenThatIsDrainedLateIsNotOverlooked) {
  auto commit = open();
  fill(*commit, "phone", 1);
  batch(*commit, "phone", 1, RecordType::kClose);
  fill(*commit, "other", 1);
  const uint64_t drained = segments(dir_, fs_)->back().first_sequence;
  batch(*commit, "phone", 1, RecordType::kReopen);
  now_ms_ += 1'000'000;
  Compactor compactor(dir_, unsynced_);
  EXPECT_EQ(compactor.pass(drained, now_ms_, 100'000)->items_retired, 0u);
  fill(*commit, "other", 1);
  EXPECT_EQ(compactor.pass(end(), now_ms_, 100'000)->items_retired, 0u);
  EXPECT_EQ(snapshot().items.at(key("phone")).closed_ms, 0);
  EXPECT_THAT(history(), AreTheFacts(facts()));
}

TEST_F(CompactorTest, AnItemThatSellsAfterItsCloseWasReopenedThroughAnotherProxy) {
  auto commit = open();
  fill(*commit, "phone", 1);
  batch(*commit, "phone", 1, RecordType::kClose);
  batch(*commit, "phone", 1);  // a purchase
  now_ms_ += 1'000'000;
  fill(*commit, "other", 1);
  EXPECT_EQ(retire(1000).items_retired, 0u);
  EXPECT_EQ(snapshot().items.at(key("phone")).closed_ms, 0);
  EXPECT_THAT(history(), AreTheFacts(facts()));
}

TEST_F(CompactorTest, AnItemPastItsEndIsRetiredAsIfClosed) {
  auto commit = open();
  Record create;
  create.type = RecordType::kCreate;
  create.item = "phone";
  create.lane_sequence = batches_["phone"] = 1;
  create.end_ms = kStartMs + 5000;
  create.time_ms = now_ms_;
  Outcomes outcomes;
  commit->submit(encoded(create), 1, 0, 0, outcomes.collect());
  ASSERT_EQ(outcomes.wait(1).size(), 1u);
  ++written_;
  fill(*commit, "other", 1);
  now_ms_ = kStartMs + 5999;
  batch(*commit, "other", 1);
  fill(*commit, "other", 1);
  const int64_t covered_ms = now_ms_;
  EXPECT_EQ(retire(covered_ms - kStartMs - 5000 + 1).items_retired, 0u);
  fill(*commit, "other", 1);
  EXPECT_EQ(retire(1000).items_retired, 1u);
}

// Its CREATE and its CLOSE are in the other's journal, and it may well be on sale.
TEST_F(CompactorTest, AnItemOfAnotherProxyIsNotRetiredWithoutItsClose) {
  auto commit = open();
  batch(*commit, "foreign", 3);
  now_ms_ += 1'000'000;
  fill(*commit, "other", 1);
  EXPECT_EQ(retire(0).items_retired, 0u);
  EXPECT_TRUE(snapshot().items.contains(key("foreign")));
}

// Should Redis lose all before the last lane has marked it, this lane's records are what makes it
// anew there, to be marked.
TEST_F(CompactorTest, ADeletedItemIsRetiredOnceTheDatabaseHasDeletedIt) {
  auto commit = open();
  for (const char* item : {"half", "last"}) batch(*commit, item, 1, RecordType::kCreate);
  batch(*commit, "half", 1, RecordType::kDelete, 0, 0);
  batch(*commit, "last", 1, RecordType::kDelete, 0, 1);
  std::set<std::string> absent, asked;
  bool answers = false;
  Compactor compactor(dir_, unsynced_,
                      [&](const auto& items, int64_t) -> Result<Compactor::Found> {
                        asked = {items.begin(), items.end()};
                        if (!answers) return Error(ErrorClass::kUnavailable, "MySQL is away");
                        return Compactor::Found{{}, absent};
                      });
  const auto pass = [&] {
    fill(*commit, "other", 1);
    EXPECT_TRUE(compactor.pass(end(), now_ms_, 1'000'000).ok());
    return snapshot();
  };
  Snapshot left = pass();
  EXPECT_TRUE(left.items.contains(key("half"))) << "nobody knows";
  EXPECT_FALSE(left.items.contains(key("last")));
  EXPECT_TRUE(asked.contains("half"));
  EXPECT_FALSE(asked.contains("other"));
  answers = true;
  EXPECT_TRUE(pass().items.contains(key("half"))) << "its row is there";
  absent = {"half"};
  EXPECT_FALSE(pass().items.contains(key("half")));
}

TEST_F(CompactorTest, LateRecordsOfARetiredItemAreRetiredInTheirTurn) {
  auto commit = open();
  batch(*commit, "phone", 1, RecordType::kCreate);
  batch(*commit, "phone", 5);
  fill(*commit, "other", 6);  // so that what comes next is not merged with it
  close(*commit, "phone", 1000);
  ASSERT_EQ(retire(1000).items_retired, 1u);
  batch(*commit, "phone", 1, RecordType::kCancel);
  fill(*commit, "other", 1);
  EXPECT_EQ(retire(1000).items_retired, 0u);
  ASSERT_EQ(snapshot().parts.size(), 2u);
  EXPECT_EQ(snapshot().items.at(key("phone")).last_lane_sequence, batches_["phone"])
      << "the proxy needs it at its start";
  auto late = facts();
  std::erase_if(late, [](const Fact& fact) {
    return fact.item == "phone" && fact.type != RecordType::kCancel;
  });
  EXPECT_THAT(history(), AreTheFacts(late)) << "what it left before stays away";
  now_ms_ += 1000;
  fill(*commit, "other", 1);
  EXPECT_EQ(retire(1000).items_retired, 1u);
}

TEST_F(CompactorTest, ACompactedSegmentIsDeletedTheRetentionAfterItWasDrained) {
  auto commit = open();
  fill(*commit, "phone", 2);
  Compactor compactor(dir_, unsynced_);
  EXPECT_EQ(compactor.pass(1, now_ms_, 1000)->segments_compacted, 0u);
  EXPECT_EQ(compactor.pass(end(), now_ms_, 1000)->segments_compacted, 2u) << "drained just now";
  EXPECT_EQ(compactor.pass(end(), now_ms_ + 999, 1000)->segments_removed, 0u);
  EXPECT_EQ(compactor.pass(end(), now_ms_ + 1000, 1000)->segments_removed, 2u);
  EXPECT_EQ(segments(dir_, fs_)->size(), 1u);
  EXPECT_EQ(history().size(), written_) << "the item is open, and all of it is there";
  commit.reset();
  EXPECT_EQ(recovered().last_sequence, written_);
}

TEST_F(CompactorTest, WhatWasDrainedBeforeTheStartCountsFromWhenItWasWritten) {
  auto commit = open();
  fill(*commit, "phone", 1);
  const int64_t wall_ms = list_segments(dir_, fs_)->back().header.created_ms;
  EXPECT_EQ(Compactor(dir_, unsynced_).pass(end(), wall_ms + 999, 1000)->segments_removed, 0u);
  EXPECT_EQ(Compactor(dir_, unsynced_).pass(end(), wall_ms + 1000, 1000)->segments_removed, 1u);
}

TEST_F(CompactorTest, APassThatDiesAnywhereLeavesTheOldSnapshotOrTheNewOne) {
  auto commit = open();
  batch(*commit, "phone", 1, RecordType::kCreate);
  fill(*commit, "phone", 2);
  compact();
  fill(*commit, "phone", 2);
  const std::vector<Fact> all = facts();
  commit.reset();
  std::filesystem::copy(dir_, root_ + "/pristine", std::filesystem::copy_options::recursive);
  FaultyFileSystem faulty(fs_);
  faulty.skip_syncs();
  size_t died = 0;
  for (int n = 1;; ++n) {
    SCOPED_TRACE("dies at operation " + std::to_string(n));
    std::filesystem::remove_all(dir_);
    std::filesystem::copy(root_ + "/pristine", dir_, std::filesystem::copy_options::recursive);
    auto left = std::make_shared<std::atomic<int>>(n);
    faulty.set_hook([left](const std::string& operation, const std::string& path) -> Status {
      if (left->fetch_sub(1) > 1) return {};
      return base::errno_error(EIO, operation + " " + path);
    });
    const bool done = Compactor(dir_, faulty).pass(end(), kLaterMs, 0).ok();
    faulty.set_hook(nullptr);
    if (done) break;
    ++died;
    ASSERT_THAT(history(), AreTheFacts(all));
    ASSERT_EQ(refusal(), "");
    // The next one finishes the work and leaves nothing that no manifest names.
    ASSERT_TRUE(Compactor(dir_, faulty).pass(end(), kLaterMs, 0).ok());
    ASSERT_THAT(history(), AreTheFacts(all));
    ASSERT_EQ(segments(dir_, fs_)->size(), 1u);
    ASSERT_EQ(part_files(), snapshot().parts.size());
    ASSERT_FALSE(std::filesystem::exists(path_in(dir_, kSnapshotNextName)));
  }
  EXPECT_GT(died, 30u);
}

// The rename may be visible and yet not on the disk; what the old manifest needs must wait for it.
TEST_F(CompactorTest, NothingIsDeletedBeforeTheManifestIsSurelyOnDisk) {
  auto commit = open();
  fill(*commit, "phone", 1);
  compact();
  fill(*commit, "phone", 2);
  int syncs = 0;
  unsynced_.set_hook([&](const std::string& operation, const std::string& path) -> Status {
    // The old manifest once more, the part's name, and then the new manifest's.
    if (operation == "sync_dir" && ++syncs >= 3) return base::errno_error(EIO, path);
    return {};
  });
  Compactor compactor(dir_, unsynced_);
  EXPECT_FALSE(compactor.pass(end(), kLaterMs, 0).ok());
  unsynced_.take_calls();
  EXPECT_FALSE(compactor.pass(end(), kLaterMs, 0).ok()) << "syncs fail again";
  for (const std::string& call : unsynced_.take_calls()) {
    EXPECT_FALSE(call.starts_with("remove ")) << call;
  }
  unsynced_.set_hook(nullptr);
  EXPECT_TRUE(compactor.pass(end(), kLaterMs, 0).ok());
  const std::vector<std::string> calls = unsynced_.take_calls();
  const auto renamed = std::find(calls.begin(), calls.end(), "rename snapshot");
  const auto removed = std::find_if(calls.begin(), calls.end(),
                                    [](const auto& call) { return call.starts_with("remove "); });
  ASSERT_NE(renamed, calls.end());
  EXPECT_LT(renamed, removed);
  EXPECT_EQ(history().size(), written_);
}

TEST_F(CompactorTest, ReadersLeaveStrayPartsAloneAndTheNextPassRemovesThem) {
  auto commit = open();
  fill(*commit, "phone", 1);
  compact();
  spill(part_path(77), "of a pass that died");
  spill(path_in(dir_, kSnapshotNextName), "half a manifest");
  EXPECT_THAT(history(), AreTheFacts(facts()));
  commit.reset();
  EXPECT_EQ(recovered().last_sequence, written_);
  EXPECT_TRUE(std::filesystem::exists(part_path(77)));
  commit = open();
  fill(*commit, "phone", 1);
  compact();
  EXPECT_FALSE(std::filesystem::exists(part_path(77)));
  EXPECT_FALSE(std::filesystem::exists(path_in(dir_, kSnapshotNextName)));
}

TEST_F(CompactorTest, ANearlyFullDiskGetsOneSegmentAtATimeAndNoMerge) {
  auto commit = open();
  fill(*commit, "phone", 1);
  compact();
  fill(*commit, "phone", 3);
  unsynced_.set_free_bytes(1 << 20);
  for (size_t i = 2; i <= 4; ++i) {
    EXPECT_EQ(compact(0).segments_compacted, 1u);
    EXPECT_EQ(snapshot().parts.size(), i);
  }
  EXPECT_EQ(segments(dir_, fs_)->size(), 1u);
  EXPECT_EQ(history().size(), written_);
}

TEST_F(CompactorTest, WhileAnotherFlusherCompactsNothingIsDone) {
  auto commit = open();
  fill(*commit, "phone", 1);
  auto lock = fs_.lock(path_in(dir_, "snapshot.lock"));
  ASSERT_TRUE(lock.ok());
  EXPECT_EQ(compact().segments_compacted, 0u);
  lock->reset();
  EXPECT_EQ(compact().segments_compacted, 1u);
}

// The position is of the journal that was there before somebody put this one in its place.
TEST_F(CompactorTest, AnotherJournalThanTheOneDrainedIsLeftAlone) {
  auto commit = open();
  fill(*commit, "phone", 2);
  Compactor compactor(dir_, unsynced_);
  auto passed = compactor.pass(end(), kLaterMs, 0, 1, commit->journal_id() + 1);
  ASSERT_FALSE(passed.ok());
  EXPECT_EQ(passed.error().cls(), ErrorClass::kRefused);
  EXPECT_EQ(segments(dir_, fs_)->size(), 3u);
  EXPECT_EQ(compactor.pass(end(), kLaterMs, 0, 1, commit->journal_id())->segments_removed, 2u);
}

TEST_F(CompactorTest, AnInterruptedPassLeavesNothing) {
  auto commit = open();
  fill(*commit, "phone", 2);
  Compactor compactor(dir_, unsynced_);
  unsynced_.set_hook([&](const std::string& operation, const std::string& path) -> Status {
    if (operation == "pwrite" && path.ends_with(".part")) compactor.interrupt();
    return {};
  });
  auto passed = compactor.pass(end(), now_ms_, 0);
  ASSERT_FALSE(passed.ok());
  EXPECT_EQ(passed.error().cls(), ErrorClass::kUnavailable);
  EXPECT_EQ(part_files(), 0u);
  EXPECT_FALSE(std::filesystem::exists(manifest_path()));
  unsynced_.set_hook(nullptr);
}

}  // namespace
}  // namespace sluice::journal
