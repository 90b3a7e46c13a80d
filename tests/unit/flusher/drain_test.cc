// What a drain brings into MySQL.
#include "orders/schema.h"
#include "tests/unit/flusher/flusher_fixture.h"

namespace sluice::flusher {
namespace {

using DrainTest = FlusherTest;
using testing_support::spread_id;

TEST_F(DrainTest, WritesOrdersItemsAndCheckpoint) {
  std::string fields;
  journal::append_field(fields, "color", "red");
  journal().time_ms = 1'764'504'000'123;  // 2025-11-30 12:00:00.123 UTC
  journal().create("phone", 100, 2, 1'764'500'000'000, 1'764'600'000'000);
  journal().buy("phone", "u1", 11, 2, "req-1", fields);
  journal().buy("phone", "u2", 12);
  journal().commit();
  const LoopEnd end = drain_once();
  EXPECT_EQ(end.exit_code, 0) << end.message;
  // MySQL writes JSON its own way, with spaces.
  EXPECT_EQ(database.ask("SELECT order_id, item_id, user_id, quantity, status, request_id,"
                         " created_at, updated_at, REPLACE(fields, ' ', '')"
                         " FROM orders ORDER BY order_id"),
            "11,phone,u1,2,placed,req-1,2025-11-30 12:00:00.123,2025-11-30 12:00:00.123,"
            "{\"color\":\"red\"};"
            "12,phone,u2,1,placed,NULL,2025-11-30 12:00:00.123,2025-11-30 12:00:00.123,NULL");
  EXPECT_EQ(database.ask("SELECT * FROM items"),
            "phone,100,3,2,2025-11-30 10:53:20.000,2025-12-01 14:40:00.000,0,"
            "2025-11-30 12:00:00.123,open,"
            "2025-11-30 12:00:00.123,2025-11-30 12:00:00.123");
  EXPECT_EQ(database.ask("SELECT writer, writers, position FROM sluice_checkpoint"),
            "0,1002,4;1,1002,4");
}

TEST_F(DrainTest, SecondDrainBringsOnlyWhatIsNew) {
  journal().create("phone", 100);
  journal().buy("phone", "u1", 1);
  journal().commit();
  ASSERT_EQ(drain_once().exit_code, 0);
  ASSERT_EQ(drain_once().exit_code, 0);
  journal().buy("phone", "u2", 2);
  journal().commit();
  ASSERT_EQ(drain_once().exit_code, 0);
  EXPECT_EQ(database.ask("SELECT COUNT(*) FROM orders"), "2");
  EXPECT_EQ(database.ask("SELECT stock, sold FROM items"), "100,2");
}

// Two proxies sell one item: what was bought through the first is cancelled through the second, and
// the second one's journal is drained first.
TEST_F(DrainTest, CancelDrainedBeforeTheOrderOfAnotherJournalIsNotLost) {
  journal().create("phone", 10);
  journal().buy("phone", "u1", 11, 2);
  journal().buy("phone", "u2", 12, 3);
  journal().buy("phone", std::string(65, 'x'), 13, 1);  // too long for MySQL: a dead letter
  journal().commit();
  const std::string first = options.journal_dir;
  options.journal_dir = dir.path() + "/second";
  testing_support::JournalFeeder second(options.journal_dir);
  second.time_ms = 1'764'504'000'123;  // 2025-11-30 12:00:00.123 UTC
  second.cancel("phone", "u1", 11, 2);
  second.cancel("phone", std::string(65, 'x'), 13, 1);
  second.cancel("phone", "u9", 99, 1);  // of an order that never comes
  second.commit();
  ASSERT_EQ(drain_once().exit_code, 0);
  options.journal_dir = first;
  ASSERT_EQ(drain_once().exit_code, 0);
  EXPECT_EQ(database.ask("SELECT order_id, status, updated_at FROM orders"
                         " WHERE status = 'cancelled'"),
            "11,cancelled,2025-11-30 12:00:00.123");
  EXPECT_EQ(database.ask("SELECT order_id, status = 'placed' FROM sluice_dead_letter"), "13,0");
  EXPECT_EQ(database.ask("SELECT stock, sold FROM items"), "10,3");
  EXPECT_EQ(database.ask("SELECT order_id FROM sluice_early_change"), "99");
  EXPECT_EQ(broken_invariants(), "");
}

// With READ COMMITTED no gap is locked; a trigger holds each cancel up behind its look for the
// order.
TEST_F(DrainTest, OrdersAndCancelsOfTwoJournalsDrainedAtOnceMeet) {
  sql::Connection connection;
  ASSERT_FALSE(connection.connect(options.mysql));
  ASSERT_FALSE(orders::apply_schema(connection, {}));
  database.run(
      "CREATE TRIGGER slow BEFORE INSERT ON sluice_early_change FOR EACH ROW DO SLEEP(0.002)");
  Options second = options;
  second.journal_dir = dir.path() + "/second";
  testing_support::JournalFeeder other(second.journal_dir);
  journal().create("phone", 100'000);
  constexpr uint64_t kOrders = 3000;
  for (uint64_t id = 1; id <= kOrders; ++id) {
    journal().buy("phone", "u" + std::to_string(id), spread_id(id));
    other.cancel("phone", "u" + std::to_string(id), spread_id(id));
  }
  journal().commit();
  other.commit();
  options.batch.rows = second.batch.rows = 50;
  RunningFlusher one(options, true), two(second, true);
  EXPECT_EQ(one.wait().exit_code, 0);
  EXPECT_EQ(two.wait().exit_code, 0);
  EXPECT_EQ(database.ask("SELECT COUNT(*), SUM(status = 'cancelled') FROM orders"), "3000,3000");
  EXPECT_EQ(database.ask("SELECT COUNT(*) FROM sluice_early_change"), "0");
  EXPECT_EQ(database.ask("SELECT sold FROM items"), "0");
}

// The item is created through one proxy and closed through another, whose journal is drained first.
TEST_F(DrainTest, CloseDrainedBeforeTheCreateOfAnotherJournalStands) {
  journal().time_ms = 1'000'000;
  journal().create("phone", 10);
  journal().commit();
  const std::string first = options.journal_dir;
  options.journal_dir = dir.path() + "/second";
  testing_support::JournalFeeder second(options.journal_dir);
  second.time_ms = 2'000'000;
  second.close("phone");
  second.commit();
  ASSERT_EQ(drain_once().exit_code, 0);
  options.journal_dir = first;
  ASSERT_EQ(drain_once().exit_code, 0);
  EXPECT_EQ(database.ask("SELECT stock, state FROM items"), "10,closed");
  journal().time_ms = 3'000'000;
  journal().reopen("phone");
  journal().commit();
  ASSERT_EQ(drain_once().exit_code, 0);
  EXPECT_EQ(database.ask("SELECT stock, state FROM items"), "10,open");
}

TEST_F(DrainTest, ADeletedItemsRowGoesAndOneOfItsNameBeginsWithItsLiveOrders) {
  journal().create("phone", 10);
  for (uint64_t id = 1; id <= 3; ++id) journal().buy("phone", "u" + std::to_string(id), id, 2);
  journal().cancel("phone", "u3", 3, 2);
  journal().close("phone");
  journal().commit();
  ASSERT_EQ(drain_once().exit_code, 0);
  journal().remove("phone");
  journal().commit();
  ASSERT_EQ(drain_once().exit_code, 0);
  EXPECT_EQ(database.ask("SELECT COUNT(*) FROM items"), "0");
  EXPECT_EQ(database.ask("SELECT COUNT(*) FROM orders"), "3");
  journal().create("phone", 7);
  journal().buy("phone", "u4", 4, 5);
  journal().buy("phone", "u5", 5, 1);
  journal().cancel("phone", "u5", 5, 1);
  journal().commit();
  ASSERT_EQ(drain_once().exit_code, 0);
  EXPECT_EQ(database.ask("SELECT stock, sold, state FROM items"), "11,9,open");
  EXPECT_EQ(broken_invariants(), "");
}

TEST_F(DrainTest, CancelsAndRestocksAddUp) {
  journal().create("phone", 10);
  for (uint64_t id = 1; id <= 10; ++id) journal().buy("phone", "u" + std::to_string(id), id, 1);
  journal().cancel("phone", "u3", 3);  // in the same batch as its order
  journal().commit();
  ASSERT_EQ(drain_once().exit_code, 0);
  EXPECT_EQ(database.ask("SELECT stock, sold FROM items"), "10,9");
  journal().time_ms += 1000;
  journal().cancel("phone", "u4", 4);  // in a later one
  journal().cancel("phone", "u4", 4);  // more than once
  journal().cancel("phone", "u3", 3);  // again, later
  journal().restock("phone", 7);
  journal().restock("phone", -2);
  journal().close("phone");
  journal().commit();
  ASSERT_EQ(drain_once().exit_code, 0);
  EXPECT_EQ(database.ask("SELECT stock, sold, state FROM items"), "15,8,closed");
  EXPECT_EQ(database.ask("SELECT order_id, updated_at > created_at FROM orders"
                         " WHERE status = 'cancelled' ORDER BY order_id"),
            "3,0;4,1");
  journal().reopen("phone");
  journal().commit();
  ASSERT_EQ(drain_once().exit_code, 0);
  EXPECT_EQ(database.ask("SELECT stock, sold, state FROM items"), "15,8,open");
  EXPECT_EQ(broken_invariants(), "");
}

TEST_F(DrainTest, ManyItemsAndBatchesOnAllWriters) {
  options.batch.writers = 3;
  options.batch.rows = 100;
  for (int i = 0; i < 20; ++i) journal().create("item" + std::to_string(i), 1'000'000);
  for (uint64_t id = 1; id <= 10'000; ++id) {
    journal().buy("item" + std::to_string(id % 20), "u" + std::to_string(id % 777), spread_id(id),
                  1 + id % 3);
    if (id % 10 == 0)
      journal().cancel("item" + std::to_string(id % 20), "u" + std::to_string(id % 777),
                       spread_id(id), 1 + id % 3);
  }
  journal().commit();
  const LoopEnd end = drain_once();
  ASSERT_EQ(end.exit_code, 0) << end.message;
  EXPECT_EQ(database.ask("SELECT COUNT(*), SUM(status = 'cancelled') FROM orders"), "10000,1000");
  EXPECT_EQ(database.ask("SELECT COUNT(DISTINCT owner), MIN(position) FROM sluice_checkpoint"),
            "1," + std::to_string(journal().last_sequence() + 1));
  EXPECT_EQ(broken_invariants(), "");
}

TEST_F(DrainTest, MappedFieldsGoIntoColumnsOfTheirOwn) {
  sql::Connection connection;
  ASSERT_FALSE(connection.connect(options.mysql));
  ASSERT_FALSE(
      orders::apply_schema(connection, *orders::OrderTable::create({.table = "purchases"})));
  database.run(
      "ALTER TABLE purchases ADD COLUMN address VARCHAR(100), ADD COLUMN raw VARBINARY(9)");
  options.orders = *orders::OrderTable::create(
      {.table = "purchases", .columns = {{"addr", "address"}, {"bytes", "raw"}}});
  std::string fields;
  journal::append_field(fields, "addr", "it's \\ \"5\"");
  journal::append_field(fields, "note", "caf\xc3\xa9\n");
  journal::append_field(fields, "bytes", std::string_view("\xff\0'", 3));
  journal::append_field(fields, "bad", "\xff\xfe");
  journal().buy("phone", "u1", 1, 1, "", fields);
  journal().buy("phone", "u2", 2);
  journal().commit();
  const LoopEnd end = drain_once();
  ASSERT_EQ(end.exit_code, 0) << end.message;
  EXPECT_EQ(database.ask("SELECT address, HEX(raw), JSON_VALUE(fields, '$.note') = 'caf\xc3\xa9\n',"
                         " JSON_VALUE(fields, '$.bad.base64') FROM purchases ORDER BY order_id"),
            "it's \\ \"5\",FF0027,1,//4=;NULL,NULL,NULL,NULL");
}

TEST_F(DrainTest, StatementsAreSplitBelowThePacketLimit) {
  database.run("SET GLOBAL max_allowed_packet = 1048576");
  options.batch.bytes = 16 << 20;
  options.batch.rows = 10'000;
  std::string fields;
  journal::append_field(fields, "v", std::string(1000, '\''));  // escaped to twice its size
  for (uint64_t id = 1; id <= 3000; ++id)
    journal().buy("i", "u" + std::to_string(id), id, 1, "", fields);
  journal().commit();
  const LoopEnd end = drain_once();
  database.run("SET GLOBAL max_allowed_packet = DEFAULT");
  ASSERT_EQ(end.exit_code, 0) << end.message;
  // Not JSON_VALUE, which is of 512 characters at most in MySQL.
  EXPECT_EQ(database.ask("SELECT COUNT(*),"
                         " SUM(LENGTH(JSON_UNQUOTE(JSON_EXTRACT(fields, '$.v')))) FROM orders"),
            "3000,3000000");
}

// Others wait for a core of the server until it is through with one.
TEST_F(DrainTest, StatementsAreShortUnderALimit) {
  const auto inserts = [this] {
    const std::string said = database.ask("SHOW GLOBAL STATUS LIKE 'Com_insert'");
    return std::stol(said.substr(said.find(',') + 1));
  };
  options.pace.rows_per_s = 1'000'000;
  for (uint64_t id = 1; id <= 950; ++id)
    journal().buy("i", "u" + std::to_string(id), id, 1, "", "");
  journal().commit();
  ASSERT_EQ(drain_once().exit_code, 0);
  const long before = inserts();
  for (uint64_t id = 951; id <= 1900; ++id)
    journal().buy("i", "u" + std::to_string(id), id, 1, "", "");
  journal().commit();
  ASSERT_EQ(drain_once().exit_code, 0);
  const long used = inserts() - before;
  EXPECT_GE(used, 10);  // and some of items
  EXPECT_LE(used, 20);
  EXPECT_EQ(database.ask("SELECT COUNT(*) FROM orders"), "1900");
}

// What fits a packet as values may not do so as text, not even half of the rows.
TEST_F(DrainTest, RefusedRowBehindLargeOnesIsFoundBelowThePacketLimit) {
  sql::Connection connection;
  ASSERT_FALSE(connection.connect(options.mysql));
  ASSERT_FALSE(orders::apply_schema(connection, {}));
  database.run("ALTER TABLE orders ADD CONSTRAINT not_that CHECK (user_id <> 'bad')");
  database.run("SET GLOBAL max_allowed_packet = 1048576");
  options.batch.bytes = 16 << 20;
  options.batch.rows = 10'000;
  std::string fields;
  for (int i = 0; i < 32; ++i)
    journal::append_field(fields, "v" + std::to_string(i), std::string(1000, '\''));
  for (uint64_t id = 1; id <= 60; ++id) {
    journal().buy("i", id == 60 ? "bad" : "u" + std::to_string(id), id, 1, "",
                  id <= 20 ? fields : "");
  }
  journal().commit();
  const LoopEnd end = drain_once();
  database.run("SET GLOBAL max_allowed_packet = DEFAULT");
  ASSERT_EQ(end.exit_code, 0) << end.message;
  EXPECT_EQ(database.ask("SELECT COUNT(*) FROM orders"), "59");
  EXPECT_EQ(database.ask("SELECT order_id FROM sluice_dead_letter"), "60");
}

TEST_F(DrainTest, WithoutAJournalThereIsNothingToDrain) {
  const LoopEnd end = drain_once();
  EXPECT_EQ(end.exit_code, 0);
  EXPECT_NE(end.message.find("nothing to drain"), std::string::npos) << end.message;
}

}  // namespace
}  // namespace sluice::flusher
