// Which folder may drain into a database: the registry, the fingerprints, and what a refusal
// leaves.
#include <gmock/gmock.h>

#include <filesystem>

#include "journal/refusal.h"
#include "orders/schema.h"
#include "tests/unit/flusher/flusher_fixture.h"

namespace sluice::flusher {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;
using testing_support::JournalFeeder;
using testing_support::spread_id;

class RegistrationTest : public FlusherTest {
 protected:
  // Sells orders first … last into the folder, as a proxy does that is started and stopped.
  void sell(const std::string& folder, uint64_t first, uint64_t last) {
    JournalFeeder feeder(folder);
    for (uint64_t n = first; n <= last; ++n) {
      feeder.buy("phone", "u" + std::to_string(n), spread_id(n));
    }
    feeder.commit();
  }
  LoopEnd drain(const std::string& folder) {
    options.journal_dir = folder;
    return drain_once();
  }
  void copy(const std::string& from, const std::string& to) {
    fs::remove_all(to);
    fs::copy(from, to, fs::copy_options::recursive);
  }
  std::string refusal(const std::string& folder) {
    return journal::refusal(folder, base::posix_file_system());
  }

  const std::string folder_ = dir.path() + "/journal", copy_ = dir.path() + "/copy";
};

TEST_F(RegistrationTest, AJournalIsRegisteredWithWhatItsFolderShows) {
  sell(folder_, 1, 3);
  ASSERT_EQ(drain(folder_).exit_code, 0);
  const auto extent = *journal::extent(folder_, base::posix_file_system());
  EXPECT_EQ(database.ask("SELECT journal_id, proxy_id, shelves, incarnation, retired,"
                         " live_proxy_id = proxy_id, host <> '' FROM sluice_journal"),
            std::to_string(extent.journal_id) + "," + std::to_string(extent.proxy_id) + ",64," +
                std::to_string(extent.incarnation) + ",0,1,1");
  const uint64_t end[] = {4};
  const uint64_t fingerprint =
      journal::fingerprints(folder_, base::posix_file_system(), end)->front();
  EXPECT_EQ(database.ask("SELECT DISTINCT position, fingerprint FROM sluice_checkpoint"),
            "4," + std::to_string(fingerprint));
  // The proxy starts again: the next drain says so.
  sell(folder_, 4, 4);
  ASSERT_EQ(drain(folder_).exit_code, 0);
  EXPECT_EQ(database.ask("SELECT incarnation FROM sluice_journal"),
            std::to_string(journal::extent(folder_, base::posix_file_system())->incarnation));
}

// The kind of fault: a copy that was written on until it is longer than what the database has.
TEST_F(RegistrationTest, AFolderThatWasRolledBackIsRefusedHoweverLongItGrows) {
  sell(folder_, 1, 100);
  ASSERT_EQ(drain(folder_).exit_code, 0);
  copy(folder_, copy_);
  sell(folder_, 101, 300);
  ASSERT_EQ(drain(folder_).exit_code, 0);
  const std::string before = database.ask("SELECT * FROM sluice_checkpoint");
  copy(copy_, folder_);
  LoopEnd end = drain(folder_);
  EXPECT_EQ(end.exit_code, 3);
  EXPECT_THAT(end.message, HasSubstr("the folder is an older copy"));
  EXPECT_EQ(refusal(folder_), end.message);
  sell(folder_, 1001, 1300);
  end = drain(folder_);
  EXPECT_EQ(end.exit_code, 3);
  EXPECT_THAT(end.message, HasSubstr("another history of it below record 301"));
  EXPECT_THAT(end.message, HasSubstr("sluice-ctl journal adopt"));
  EXPECT_EQ(refusal(folder_), end.message);
  EXPECT_EQ(database.ask("SELECT COUNT(*) FROM orders"), "300");
  EXPECT_EQ(database.ask("SELECT * FROM sluice_checkpoint"), before) << "nothing was claimed";
}

// Orders are known again when they come twice, but what an item was given adds up.
TEST_F(RegistrationTest, OneWhoseCheckpointsAreGoneIsNotDrainedAgain) {
  sell(folder_, 1, 10);
  ASSERT_EQ(drain(folder_).exit_code, 0);
  const std::string items = database.ask("SELECT * FROM items");
  database.run("DELETE FROM sluice_checkpoint");
  const LoopEnd end = drain(folder_);
  EXPECT_EQ(end.exit_code, 3);
  EXPECT_THAT(end.message, HasSubstr("lost how far it was drained"));
  EXPECT_EQ(database.ask("SELECT * FROM items"), items);
  EXPECT_EQ(database.ask("SELECT COUNT(*) FROM sluice_checkpoint"), "0") << "nothing was claimed";
}

TEST_F(RegistrationTest, OfTwoClonesTheOneThatDrainsFirstGoesOn) {
  sell(folder_, 1, 100);
  ASSERT_EQ(drain(folder_).exit_code, 0);
  copy(folder_, copy_);
  sell(folder_, 101, 150);
  sell(copy_, 201, 260);
  ASSERT_EQ(drain(folder_).exit_code, 0);
  EXPECT_EQ(drain(copy_).exit_code, 3);
  EXPECT_NE(refusal(copy_), "");
  EXPECT_EQ(refusal(folder_), "");
  sell(folder_, 151, 160);
  EXPECT_EQ(drain(folder_).exit_code, 0);
  EXPECT_EQ(database.ask("SELECT COUNT(*) FROM orders"), "160");
}

// Before the copies part either may go on; the other then finds the checkpoint moved.
TEST_F(RegistrationTest, ACopyThatHasNotPartedTakesOver) {
  sell(folder_, 1, 100);
  ASSERT_EQ(drain(folder_).exit_code, 0);
  copy(folder_, copy_);
  RunningFlusher first(options, false);
  ASSERT_TRUE(eventually([&] { return first.status.read().position == 101; }));
  ASSERT_EQ(drain(copy_).exit_code, 0);
  sell(folder_, 101, 110);
  first.loop.request_flush();
  EXPECT_EQ(first.wait().exit_code, 3);
  EXPECT_THAT(refusal(folder_), HasSubstr("another flusher has taken the journal over"));
  // It is the one that was drained: once the other is gone it goes on, and says so.
  ASSERT_EQ(drain(folder_).exit_code, 0);
  EXPECT_EQ(refusal(folder_), "");
  EXPECT_EQ(database.ask("SELECT COUNT(*) FROM orders"), "110");
}

TEST_F(RegistrationTest, ASecondJournalWithTheSameProxyIdIsRefusedByName) {
  sell(folder_, 1, 3);
  ASSERT_EQ(drain(folder_).exit_code, 0);
  sell(copy_, 1, 3);  // another journal
  const auto extent = *journal::extent(copy_, base::posix_file_system());
  database.run("UPDATE sluice_journal SET proxy_id = " + std::to_string(extent.proxy_id));
  LoopEnd end = drain(copy_);
  EXPECT_EQ(end.exit_code, 3);
  EXPECT_THAT(end.message, HasSubstr("its proxy.id " + std::to_string(extent.proxy_id)));
  EXPECT_THAT(end.message, HasSubstr(database.ask("SELECT journal_id FROM sluice_journal")));
  EXPECT_EQ(refusal(copy_), end.message);
  EXPECT_EQ(database.ask("SELECT COUNT(*) FROM sluice_journal"), "1");
  // Retired, its number is free.
  database.run("UPDATE sluice_journal SET retired = 1");
  EXPECT_EQ(drain(copy_).exit_code, 0);
  EXPECT_EQ(refusal(copy_), "");
  EXPECT_EQ(drain(folder_).exit_code, 3) << "a retired journal does not come back by itself";
}

// One that refuses has changed nothing, so a good one that runs goes on.
TEST_F(RegistrationTest, OneThatRefusesToStartDisturbsNobody) {
  sell(folder_, 1, 100);
  ASSERT_EQ(drain(folder_).exit_code, 0);
  copy(folder_, copy_);
  sell(folder_, 101, 200);
  ASSERT_EQ(drain(folder_).exit_code, 0);
  options.journal_dir = folder_;
  RunningFlusher good(options, false);
  ASSERT_TRUE(eventually([&] { return good.status.read().position == 201; }));
  EXPECT_EQ(drain(copy_).exit_code, 3);
  sell(folder_, 201, 250);
  good.loop.request_flush();
  EXPECT_TRUE(eventually([&] { return good.status.read().position == 251; }));
  EXPECT_FALSE(good.ended());
  EXPECT_EQ(database.ask("SELECT COUNT(*) FROM orders"), "250");
}

// Beside a daemon `--once` would take over what that one drains.
TEST_F(RegistrationTest, ASecondFlusherOnOneFolderIsRefusedAndTheFirstGoesOn) {
  sell(folder_, 1, 10);
  options.journal_dir = folder_;
  RunningFlusher first(options, false);
  first.loop.request_flush();
  ASSERT_TRUE(eventually([&] { return first.status.read().position == 11; }));
  const LoopEnd end = drain(folder_);
  EXPECT_EQ(end.exit_code, 3);
  EXPECT_THAT(end.message, HasSubstr("another flusher drains " + folder_));
  EXPECT_EQ(refusal(folder_), "") << "that is no reason to stop selling";
  sell(folder_, 11, 20);
  first.loop.request_flush();
  EXPECT_TRUE(eventually([&] { return first.status.read().position == 21; }));
}

TEST_F(RegistrationTest, ATableThatCannotRollBackIsWaitedFor) {
  sell(folder_, 1, 3);
  sql::Connection connection;
  ASSERT_FALSE(connection.connect(database.options()));
  ASSERT_FALSE(orders::apply_schema(connection, {}));
  for (const std::string table : {"items", "orders", "sluice_checkpoint"}) {
    database.run("ALTER TABLE " + table + " ENGINE = MyISAM");
    options.journal_dir = folder_;
    RunningFlusher flusher(options, false);
    EXPECT_TRUE(eventually([&] {
      return flusher.status.read().reason.find("table " + table + " has the engine MyISAM") !=
             std::string::npos;
    }));
    EXPECT_EQ(flusher.status.read().state, State::kBlocked);
    database.run("ALTER TABLE " + table + " ENGINE = InnoDB");
    EXPECT_TRUE(eventually([&] { return flusher.status.read().journal_id != 0; }));
  }
}

// The row of an order id is changed only if item and user are the cancel's.
TEST_F(RegistrationTest, ACancelNeverChangesAnothersRow) {
  sell(folder_, 1, 1);
  ASSERT_EQ(drain(folder_).exit_code, 0);
  database.run(
      "INSERT INTO orders (order_id, item_id, user_id, quantity, status, created_at,"
      " updated_at) VALUES (7, 'lamp', 'stranger', 3, 'placed', NOW(3), NOW(3))");
  database.run(
      "INSERT INTO items (item_id, stock, sold, updated_at) VALUES ('lamp', 9, 3, NOW(3))");
  {
    JournalFeeder feeder(folder_);
    feeder.buy("phone", "mine", 7);  // refused as a duplicate: a dead letter
    feeder.commit();
  }
  ASSERT_EQ(drain(folder_).exit_code, 0);
  {
    JournalFeeder feeder(folder_);
    feeder.cancel("phone", "mine", 7);
    feeder.cancel("lamp", "other", 7);  // of an order that never comes
    feeder.commit();
  }
  ASSERT_EQ(drain(folder_).exit_code, 0);
  EXPECT_EQ(database.ask("SELECT status, user_id FROM orders WHERE order_id = 7"),
            "placed,stranger");
  EXPECT_EQ(database.ask("SELECT sold FROM items WHERE item_id = 'lamp'"), "3");
  EXPECT_EQ(database.ask("SELECT item_id, user_id, status = 'cancelled'"
                         " FROM sluice_dead_letter"),
            "phone,mine,1");
  EXPECT_EQ(database.ask("SELECT order_id, item_id, user_id FROM sluice_early_change"),
            "7,lamp,other");
  EXPECT_EQ(broken_invariants(), "");
}

}  // namespace
}  // namespace sluice::flusher
