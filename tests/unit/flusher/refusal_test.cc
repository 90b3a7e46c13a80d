// What MySQL will never take, what it does not take now, and who can tell which.
#include "orders/schema.h"
#include "tests/unit/flusher/flusher_fixture.h"

namespace sluice::flusher {
namespace {

using testing_support::spread_id;

class RefusalTest : public FlusherTest {
 protected:
  RefusalTest() { options.once_timeout_us = 1'000'000; }

  // `count` orders of as many buyers, "u1" …, of which those named begin with "bad".
  void feed(uint64_t count, std::initializer_list<uint64_t> bad = {},
            std::string_view fields = {}) {
    journal().create("item", 1'000'000);
    for (uint64_t id = 1; id <= count; ++id) {
      const bool is_bad = std::find(bad.begin(), bad.end(), id) != bad.end();
      journal().buy("item", (is_bad ? "bad" : "u") + std::to_string(id), spread_id(id), 1,
                    "r" + std::to_string(id), fields);
    }
    journal().commit();
  }
  void make_tables() {
    sql::Connection connection;
    ASSERT_FALSE(connection.connect(options.mysql));
    ASSERT_FALSE(orders::apply_schema(connection, {}));
  }
  // Before each INSERT of a buyer that matches.
  void refuse(const std::string& users, const std::string& how) {
    make_tables();
    database.run(
        "CREATE TRIGGER refuse BEFORE INSERT ON orders FOR EACH ROW BEGIN IF NEW.user_id "
        "LIKE '" +
        users + "' THEN " + how + "; END IF; END");
  }
  std::string counts() const {
    return database.ask(
        "SELECT (SELECT COUNT(*) FROM orders),"
        " (SELECT COUNT(*) FROM sluice_dead_letter)");
  }
};

TEST_F(RefusalTest, AMissingPartitionIsWaitedFor) {
  make_tables();
  database.run("ALTER TABLE orders PARTITION BY RANGE (order_id) (PARTITION p VALUES LESS THAN (" +
               std::to_string(spread_id(2)) + "))");
  feed(10);
  const LoopEnd end = drain_once();
  EXPECT_EQ(end.exit_code, 1);
  EXPECT_NE(end.message.find("1526"), std::string::npos) << end.message;
  EXPECT_NE(end.message.find("partition"), std::string::npos) << end.message;
  EXPECT_EQ(counts(), "0,0");
  database.run("ALTER TABLE orders ADD PARTITION (PARTITION rest VALUES LESS THAN MAXVALUE)");
  EXPECT_EQ(drain_once().exit_code, 0);
  EXPECT_EQ(counts(), "10,0");
}

TEST_F(RefusalTest, WhatIsRefusedToEverybodyIsWaitedFor) {
  refuse("%", "SIGNAL SQLSTATE '45000' SET MYSQL_ERRNO = 30001, MESSAGE_TEXT = 'closed today'");
  feed(40);
  const LoopEnd end = drain_once();
  EXPECT_EQ(end.exit_code, 1);
  EXPECT_NE(end.message.find("closed today"), std::string::npos) << end.message;
  EXPECT_NE(end.message.find("refused alike"), std::string::npos) << end.message;
  EXPECT_EQ(counts(), "0,0");
  database.run("DROP TRIGGER refuse");
  EXPECT_EQ(drain_once().exit_code, 0);
  EXPECT_EQ(counts(), "40,0");
  EXPECT_EQ(broken_invariants(), "");
}

// Whatever number a trigger gives it, known, unknown, or one that the client library takes for its
// own.
TEST_F(RefusalTest, WhatATriggerRefusesToOneBuyerIsADeadLetter) {
  for (const std::string how :
       {"SIGNAL SQLSTATE '45000' SET MYSQL_ERRNO = 30001",
        "SIGNAL SQLSTATE '45000' SET MYSQL_ERRNO = 1213",
        "SIGNAL SQLSTATE '45000' SET MYSQL_ERRNO = 5001", "SIGNAL SQLSTATE '22012'",
        "SET NEW.quantity = (SELECT 1 UNION SELECT 2)"}) {
    SCOPED_TRACE(how);
    testing_support::Database another;
    options.mysql = another.options();
    sql::Connection connection;
    ASSERT_FALSE(connection.connect(options.mysql));
    ASSERT_FALSE(orders::apply_schema(connection, {}));
    another.run(
        "CREATE TRIGGER refuse BEFORE INSERT ON orders FOR EACH ROW BEGIN IF NEW.user_id "
        "LIKE 'bad%' THEN " +
        how + "; END IF; END");
    test::TempFolder folder;
    options.journal_dir = folder.path() + "/journal";
    testing_support::JournalFeeder feeder(options.journal_dir);
    feeder.create("item", 1000);
    for (uint64_t id = 1; id <= 100; ++id)
      feeder.buy("item", (id == 57 ? "bad" : "u") + std::to_string(id), spread_id(id));
    feeder.commit();
    options.once_timeout_us = 20'000'000;
    const LoopEnd end = drain_once();
    EXPECT_EQ(end.exit_code, 0) << end.message;
    EXPECT_EQ(another.ask("SELECT COUNT(*), SUM(user_id LIKE 'bad%') FROM orders"), "99,0");
    EXPECT_EQ(another.ask("SELECT user_id FROM sluice_dead_letter"), "bad57");
    EXPECT_EQ(another.ask("SELECT sold FROM items"), "99");
  }
}

TEST_F(RefusalTest, OneBuyerStopsNobodyHoweverOftenHeComes) {
  refuse("bad%", "SIGNAL SQLSTATE '45000'");
  journal().create("item", 1000);
  for (uint64_t id = 1; id <= 20; ++id) {
    journal().buy("item", "bad", spread_id(id));
    journal().commit();
  }
  const LoopEnd end = drain_once();
  EXPECT_EQ(end.exit_code, 0) << end.message;
  EXPECT_EQ(counts(), "0,20");
}

TEST_F(RefusalTest, WhatBuyersWriteStopsNobody) {
  make_tables();
  database.run("ALTER TABLE orders ADD COLUMN note VARCHAR(5)");
  options.orders = *orders::OrderTable::create({.columns = {{"note", "note"}}});
  std::string fields;
  journal::append_field(fields, "note", "far too long");
  feed(50, {}, fields);
  const LoopEnd end = drain_once();
  EXPECT_EQ(end.exit_code, 0) << end.message;
  EXPECT_EQ(counts(), "0,50");
}

TEST_F(RefusalTest, BeyondSoManyDeadLettersItWaits) {
  refuse("bad%", "SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'no'");
  options.dead_letters_max = 2;
  options.batch.writers = 1;
  feed(100, {10, 20, 30});
  const LoopEnd end = drain_once();
  EXPECT_EQ(end.exit_code, 1);
  EXPECT_NE(end.message.find("limits.dead_letters"), std::string::npos) << end.message;
  database.run("DROP TRIGGER refuse");
  EXPECT_EQ(drain_once().exit_code, 0);
  EXPECT_EQ(database.ask("SELECT (SELECT COUNT(*) FROM orders) +"
                         " (SELECT COUNT(*) FROM sluice_dead_letter)"),
            "100");
}

TEST_F(RefusalTest, ACancelOfARowThatWasArchivedIsCountedAndNamed) {
  feed(10);
  ASSERT_EQ(drain_once().exit_code, 0);
  const uint64_t own = uint64_t{journal().proxy_id()} << 12;
  journal().buy("item", "ann", spread_id(11) | own, 2);
  journal().buy("item", "bob", spread_id(12) | own, 3);
  journal().commit();
  ASSERT_EQ(drain_once().exit_code, 0);
  database.run("DELETE FROM orders WHERE user_id = 'ann'");
  journal().cancel("item", "ann", spread_id(11) | own, 2);
  journal().cancel("item", "bob", spread_id(12) | own, 3);
  journal().commit();
  RunningFlusher flusher(options, true);
  EXPECT_EQ(flusher.wait().exit_code, 0);
  EXPECT_EQ(database.ask("SELECT sold FROM items"), "10");
  EXPECT_EQ(database.ask("SELECT COUNT(*) FROM sluice_early_change"), "0");
  EXPECT_NE(flusher.registry.render().find("sluice_flush_cancelled_without_row_total 1"),
            std::string::npos);
}

// Held up behind its commit, where an order meets its cancel.
TEST_F(RefusalTest, WhatPassesLeavesNoErrorBehind) {
  make_tables();
  const uint64_t order_id = spread_id(1) | 5 << 12;  // another proxy's
  database.run("INSERT INTO sluice_early_change VALUES (" + std::to_string(order_id) +
               ", 'item', 'ann', 'cancelled', NOW(3))");
  sql::Connection other;
  ASSERT_FALSE(other.connect(options.mysql));
  std::vector<sql::Row> rows;
  options.trigger.max_age_us = 1;
  journal().create("item", 10);
  journal().commit();
  RunningFlusher flusher(options, false);
  ASSERT_TRUE(eventually([&] { return flusher.status.read().position > 1; }));
  ASSERT_FALSE(other.query("SELECT * FROM sluice_early_change FOR UPDATE", rows));
  journal().buy("item", "ann", order_id);
  journal().commit();
  ASSERT_TRUE(eventually([&] { return flusher.status.read().state == State::kBlocked; }));
  other.rollback();
  EXPECT_TRUE(eventually([&] { return flusher.status.read().trouble().empty(); }));
  EXPECT_TRUE(eventually([&] { return flusher.status.read().state == State::kIdle; }));
  EXPECT_EQ(database.ask("SELECT status FROM orders"), "cancelled");
}

TEST_F(RefusalTest, AStuckWriterIsSeenAndItsOldestRecordHasTheAge) {
  refuse("bad%", "DO SLEEP(30)");
  options.batch.writers = 2;
  options.mysql.timeout_s = 3600;
  options.trigger.max_age_us = 1;
  journal().time_ms = base::wall_ms() - 600'000;
  journal().create("item", 1000);
  journal().buy("item", "bad1", spread_id(8));  // writer 1
  journal().time_ms = base::wall_ms();
  for (uint64_t id = 16; id < 24; ++id) journal().buy("item", "u", spread_id(id));  // writer 0
  journal().commit();
  RunningFlusher flusher(options, false);
  EXPECT_TRUE(testing_support::eventually([&] {
    const StatusSnapshot status = flusher.status.read();
    return status.rows_total == 8 && status.backlog->oldest_age_us > 500'000'000;
  })) << flusher.status.read().backlog->oldest_age_us;
}

}  // namespace
}  // namespace sluice::flusher
