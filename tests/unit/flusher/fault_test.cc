// Exactly once, whatever is killed, locked, refused or doubled.
#include <random>

#include "orders/schema.h"
#include "tests/unit/flusher/commit_cutter.h"
#include "tests/unit/flusher/flusher_fixture.h"

namespace sluice::flusher {
namespace {

bool is_drained(const StatusSnapshot& status) {
  return status.backlog && status.backlog->records == 0;
}

using testing_support::Process;
using testing_support::spread_id;

class FaultTest : public FlusherTest {
 protected:
  FaultTest() {
    const char* given = std::getenv("SLUICE_TEST_SEED");
    seed = given ? static_cast<unsigned>(std::stoul(given)) : std::random_device()();
    random.seed(seed);
    RecordProperty("seed", std::to_string(seed));
  }
  ~FaultTest() override {
    if (HasFailure()) std::printf("SLUICE_TEST_SEED=%u\n", seed);
  }

  // `count` orders of 7 items, each tenth cancelled, half of these in a later batch.
  void feed(uint64_t first, uint64_t count) {
    for (uint64_t id = first; id < first + count; ++id) {
      const std::string item = "item" + std::to_string(id % 7);
      const std::string user = "user" + std::to_string(id % 991);
      if (id <= 7) journal().create(item, 1'000'000);
      journal().buy(item, user, spread_id(id), 1 + static_cast<int64_t>(id % 3),
                    "r" + std::to_string(id));
      const uint64_t cancelled = id % 20 == 0    ? id
                                 : id % 20 == 10 ? id - std::min<uint64_t>(id - 10, 5000)
                                                 : 0;
      if (cancelled != 0 && cancelled % 10 == 0) {
        journal().cancel("item" + std::to_string(cancelled % 7),
                         "user" + std::to_string(cancelled % 991), spread_id(cancelled));
      }
    }
    journal().commit();
    fed += count;
  }

  void expect_all_there() {
    EXPECT_EQ(database.ask("SELECT COUNT(*), COUNT(DISTINCT request_id), MIN(order_id),"
                           " MAX(order_id) FROM orders"),
              std::to_string(fed) + "," + std::to_string(fed) + "," + std::to_string(spread_id(1)) +
                  "," + std::to_string(spread_id(fed)));
    EXPECT_EQ(database.ask("SELECT COUNT(*) FROM sluice_dead_letter"), "0");
    EXPECT_EQ(broken_invariants(), "");
    EXPECT_EQ(database.ask("SELECT DISTINCT position FROM sluice_checkpoint"),
              std::to_string(journal().last_sequence() + 1));
    EXPECT_EQ(database.ask("SELECT SUM(stock) FROM items"), "7000000");
  }

  std::vector<std::string> command() const {
    const std::string self = std::filesystem::read_symlink("/proc/self/exe");
    const std::string program =
        std::filesystem::path(self).parent_path().parent_path() / "bin/sluice-flusher";
    if (!std::filesystem::exists(program)) ADD_FAILURE() << program << " is not built";
    return {program, "--once",
            "--set", "journal.dir=" + options.journal_dir,
            "--set", "mysql.unix_socket=" + options.mysql.unix_socket,
            "--set", "mysql.user=root",
            "--set", "mysql.database=" + database.name(),
            "--set", "mysql.create_schema=true",
            "--set", "batch.rows=200",
            "--set", "batch.writers=3"};
  }

  unsigned seed;
  std::minstd_rand random;
  uint64_t fed = 0;
};

TEST_F(FaultTest, FlusherKilledAtRandomPointsDrainsEachOrderOnce) {
  feed(1, 40'000);
  int kills = 0;
  for (; kills < 60; ++kills) {
    const pid_t child = Process::start(command(), dir.path() + "/log");
    const int patience_ms = static_cast<int>(random() % 60);
    int status = 0;
    const bool ended =
        eventually([&] { return ::waitpid(child, &status, WNOHANG) == child; }, patience_ms);
    if (ended) break;
    ::kill(child, SIGKILL);
    if (Process::wait(child) == 0) break;  // it ended just before the signal
  }
  EXPECT_GE(kills, 2);
  const LoopEnd end = drain_once();
  EXPECT_EQ(end.exit_code, 0) << end.message;
  expect_all_there();
}

TEST_F(FaultTest, ServerKilledInMidDrainLosesAndDoublesNothing) {
  feed(1, 60'000);
  options.batch.rows = 200;
  RunningFlusher flusher(options, true);
  for (int i = 0; i < 3; ++i) {
    const uint64_t before = flusher.status.read().rows_total;
    ASSERT_TRUE(eventually(
        [&] { return flusher.ended() || flusher.status.read().rows_total > before + 1000; }));
    if (flusher.ended()) break;
    testing_support::server().stop(SIGKILL);
    ASSERT_TRUE(eventually([&] { return flusher.status.read().state == State::kBlocked; }));
    EXPECT_FALSE(flusher.status.read().trouble().empty());
    testing_support::server().start();
  }
  const LoopEnd end = flusher.wait();
  EXPECT_EQ(end.exit_code, 0) << end.message;
  expect_all_there();
}

TEST_F(FaultTest, LostAnswerToACommitIsSettledByTheCheckpoint) {
  feed(1, 20'000);
  const std::string path = dir.path() + "/cutter";
  testing_support::CommitCutter cutter(path, options.mysql.unix_socket);
  options.mysql.unix_socket = path;
  options.batch.rows = 100;
  options.pace.rows_per_s = 20'000;
  RunningFlusher flusher(options, true);
  ASSERT_TRUE(eventually([&] { return flusher.status.read().rows_total > 0; }));
  cutter.cut_before = 10;
  cutter.cut_after = 10;
  const LoopEnd end = flusher.wait();
  EXPECT_EQ(flusher.status.read().rows_total, fed);
  EXPECT_EQ(end.exit_code, 0) << end.message;
  EXPECT_EQ(cutter.cut_before + cutter.cut_after, 0);
  expect_all_there();
}

TEST_F(FaultTest, ServerDownFromTheStartIsWaitedFor) {
  feed(1, 1000);
  testing_support::server().stop(SIGTERM);
  RunningFlusher flusher(options, true);
  ASSERT_TRUE(eventually([&] { return !flusher.status.read().trouble().empty(); }));
  EXPECT_EQ(flusher.status.read().state, State::kBlocked);
  testing_support::server().start();
  const LoopEnd end = flusher.wait();
  EXPECT_EQ(end.exit_code, 0) << end.message;
  expect_all_there();
}

TEST_F(FaultTest, OnceGivesUpWithoutAServer) {
  feed(1, 10);
  options.mysql.unix_socket = dir.path() + "/no-such-socket";
  options.once_timeout_us = 300'000;
  const LoopEnd end = drain_once();
  EXPECT_EQ(end.exit_code, 1);
  EXPECT_NE(end.message.find("no-such-socket"), std::string::npos) << end.message;
}

TEST_F(FaultTest, LockHeldByAnotherConnectionIsWaitedFor) {
  feed(1, 100);
  ASSERT_EQ(drain_once().exit_code, 0);
  sql::Connection other;
  ASSERT_FALSE(other.connect(options.mysql));
  ASSERT_FALSE(other.exec("UPDATE items SET updated_at = updated_at + INTERVAL 1 SECOND"));
  feed(101, 5000);
  RunningFlusher flusher(options, true);
  ASSERT_TRUE(eventually([&] {
    return flusher.status.read().trouble().find("1205") != std::string::npos;
  })) << flusher.status.read().trouble();
  // The whole transaction was rolled back, not just the statement that waited.
  EXPECT_EQ(database.ask("SELECT COUNT(*) FROM orders"), "100");
  EXPECT_EQ(flusher.registry.render().find("sluice_flush_retries_total{class=\"lock_wait\"} 0"),
            std::string::npos);
  other.rollback();
  const LoopEnd end = flusher.wait();
  EXPECT_EQ(end.exit_code, 0) << end.message;
  expect_all_there();
}

TEST_F(FaultTest, DeadlockIsRolledBackAndTriedAgain) {
  feed(1, 100);
  ASSERT_EQ(drain_once().exit_code, 0);
  feed(101, 3000);
  options.batch.writers = 2;
  // Holds an item, then wants a checkpoint row that a writer waiting for the item holds. Having
  // changed more rows than the writer, it is the writer that InnoDB picks as the victim.
  database.run("CREATE TABLE weight (id INT PRIMARY KEY AUTO_INCREMENT, text VARCHAR(20))");
  database.run("CREATE TABLE digits (digit INT PRIMARY KEY)");
  database.run("INSERT INTO digits VALUES (0), (1), (2), (3), (4), (5), (6), (7), (8), (9)");
  sql::Connection other;
  auto heavy = options.mysql;
  heavy.lock_wait_s = 20;
  ASSERT_FALSE(other.connect(heavy));
  ASSERT_FALSE(other.exec("INSERT INTO weight (text) SELECT 'x' FROM digits a, digits b, digits c,"
                          " digits d, digits e"));
  ASSERT_FALSE(other.exec("SELECT * FROM items FOR UPDATE"));
  options.mysql.lock_wait_s = 20;
  RunningFlusher flusher(options, true);
  ASSERT_TRUE(eventually([&] {
    // The server refreshes this table only if nobody has read it for 100 ms.
    std::this_thread::sleep_for(std::chrono::milliseconds(150));
    return database.ask(
               "SELECT COUNT(*) FROM information_schema.innodb_trx WHERE trx_state ="
               " 'LOCK WAIT'") == "2";
  }));
  ASSERT_FALSE(other.exec("SELECT * FROM sluice_checkpoint FOR UPDATE"));
  EXPECT_TRUE(eventually([&] {
    return flusher.status.read().trouble().find("1213") != std::string::npos;
  })) << flusher.status.read().trouble();
  other.rollback();
  const LoopEnd end = flusher.wait();
  EXPECT_EQ(end.exit_code, 0) << end.message;
  expect_all_there();
}

TEST_F(FaultTest, RefusedRowsBecomeDeadLettersAndTheirNeighboursGoIn) {
  feed(1, 100);
  ASSERT_EQ(drain_once().exit_code, 0);
  database.run("ALTER TABLE orders ADD CONSTRAINT not_that CHECK (user_id NOT LIKE 'bad%')");
  std::string fields;
  journal::append_field(fields, "note", "\xff");
  for (uint64_t id = 101; id <= 1100; ++id) {
    const bool bad = id == 101 || id == 600 || id == 1100;
    journal().buy("item1", (bad ? "bad" : "user") + std::to_string(id), id, 1, "", fields);
  }
  journal().cancel("item1", "bad600", 600);  // in the same batch: dead and cancelled
  journal().commit();
  LoopEnd end = drain_once();
  EXPECT_EQ(end.exit_code, 0) << end.message;
  EXPECT_EQ(database.ask("SELECT COUNT(*) FROM orders"), "1097");
  const std::string code = testing_support::server().program().is_mariadb() ? "4025" : "3819";
  EXPECT_EQ(database.ask("SELECT order_id, error_code, status = 'placed',"
                         " JSON_VALUE(record, '$.user'), JSON_VALUE(record, '$.fields.note.base64')"
                         " FROM sluice_dead_letter ORDER BY order_id"),
            "101," + code + ",1,bad101,/w==;600," + code + ",0,bad600,/w==;1100," + code +
                ",1,bad1100,/w==");
  EXPECT_EQ(broken_invariants(), "");

  // A cancel of a dead letter, later, changes no count.
  journal().cancel("item1", "bad1100", 1100);
  journal().commit();
  end = drain_once();
  EXPECT_EQ(end.exit_code, 0) << end.message;
  EXPECT_EQ(database.ask("SELECT COUNT(*) FROM sluice_dead_letter WHERE status = 'placed'"), "1");
  EXPECT_EQ(broken_invariants(), "");
}

TEST_F(FaultTest, ServerThatLogsStatementsGetsThemAsText) {
  testing_support::SqlServer logging({"--log-bin", "--binlog-format=STATEMENT"});
  {
    sql::Connection connection;
    ASSERT_FALSE(connection.connect(logging.options("")));
    ASSERT_FALSE(connection.exec("CREATE DATABASE logged"));
  }
  feed(1, 3000);
  options.mysql = logging.options("logged");
  RunningFlusher flusher(options, true);
  const LoopEnd end = flusher.wait();
  EXPECT_EQ(end.exit_code, 0) << end.message;
  EXPECT_EQ(flusher.status.read().rows_total, fed);
  // In the same transactions, not in a second attempt.
  EXPECT_NE(flusher.registry.render().find("sluice_flush_retries_total{class=\"other\"} 0"),
            std::string::npos);
}

TEST_F(FaultTest, WritersChangeBetweenRunsAndInMidDrain) {
  uint64_t next = 1;
  for (const uint32_t writers : {1u, 3u, 2u}) {
    options.batch.writers = writers;
    options.batch.rows = 50;
    feed(next, 5000);
    next += 5000;
    {
      // Stopped somewhere in the middle, so that the writers stand at different positions.
      RunningFlusher flusher(options, true);
      eventually([&] { return flusher.status.read().rows_total > 500; });
    }
  }
  options.batch.writers = 4;
  const LoopEnd end = drain_once();
  EXPECT_EQ(end.exit_code, 0) << end.message;
  EXPECT_EQ(database.ask("SELECT COUNT(*), MIN(writers) FROM sluice_checkpoint"), "4,1004");
  expect_all_there();
}

// Version 0 of the partitioning: its positions tell nothing about which of today's are drained.
TEST_F(FaultTest, DrainBegunWithAnotherPartitioningIsNotGoneOnWith) {
  feed(1, 3000);
  ASSERT_EQ(drain_once().exit_code, 0);
  feed(3001, 3000);
  const auto before = static_cast<uint64_t>(
      std::stoull(database.ask("SELECT MIN(position) FROM sluice_checkpoint")));
  database.run("UPDATE sluice_checkpoint SET writers = 2");
  set_position(before + 1000, " WHERE writer = 1");
  const LoopEnd refused = drain_once();
  EXPECT_EQ(refused.exit_code, 3);
  EXPECT_NE(refused.message.find("another version"), std::string::npos) << refused.message;
  EXPECT_EQ(database.ask("SELECT COUNT(*) FROM orders"), "3000");

  // Where all writers are at one place nothing is left of it.
  set_position(before);
  const LoopEnd end = drain_once();
  EXPECT_EQ(end.exit_code, 0) << end.message;
  EXPECT_EQ(database.ask("SELECT COUNT(*), MIN(writers), MAX(writers) FROM sluice_checkpoint"),
            "2,1002,1002");
  expect_all_there();
}

TEST_F(FaultTest, OfTwoFlushersOneStopsAndNothingIsDoubled) {
  feed(1, 20'000);
  options.batch.rows = 100;
  RunningFlusher one(options, true);
  RunningFlusher two(options, true);
  const LoopEnd first = one.wait();
  const LoopEnd second = two.wait();
  EXPECT_EQ(std::min(first.exit_code, second.exit_code), 0);
  EXPECT_EQ(std::max(first.exit_code, second.exit_code), 3);
  const std::string& message = first.exit_code == 3 ? first.message : second.message;
  EXPECT_NE(message.find("another flusher"), std::string::npos) << message;
  expect_all_there();
}

TEST_F(FaultTest, MissingSchemaIsWaitedForAndNamed) {
  feed(1, 10);
  options.create_schema = false;
  RunningFlusher flusher(options, true);
  ASSERT_TRUE(eventually([&] {
    return flusher.status.read().reason.find("schema apply") != std::string::npos;
  })) << flusher.status.read().reason;
  sql::Connection connection;
  ASSERT_FALSE(connection.connect(options.mysql));
  ASSERT_FALSE(orders::apply_schema(connection, {}));
  EXPECT_EQ(flusher.wait().exit_code, 0);
  EXPECT_EQ(database.ask("SELECT COUNT(*) FROM orders"), "10");
}

TEST_F(FaultTest, DatabaseOfAnotherJournalIsRefused) {
  feed(1, 10);
  ASSERT_EQ(drain_once().exit_code, 0);
  database.run("UPDATE sluice_checkpoint SET position = 1000");
  const LoopEnd end = drain_once();
  EXPECT_EQ(end.exit_code, 3);
  EXPECT_NE(end.message.find("the folder is an older copy"), std::string::npos) << end.message;
}

// As after a crash with innodb_flush_log_at_trx_commit = 0, or on a replica that lagged when it was
// promoted: rows and checkpoints are those of a moment ago, the owner is still this flusher.
TEST_F(FaultTest, ServerThatLostItsLastTransactionsGetsThemAgain) {
  feed(1, 3000);
  options.trigger.max_age_us = 1;
  RunningFlusher flusher(options, false);
  const auto all_in = [&] {
    return database.ask("SELECT COUNT(*) FROM orders") == std::to_string(fed);
  };
  ASSERT_TRUE(eventually(all_in));
  ASSERT_TRUE(eventually([&] { return is_drained(flusher.status.read()); }));
  const std::string drained = database.ask("SELECT MIN(position) FROM sluice_checkpoint");
  const std::string sold = database.ask("SELECT GROUP_CONCAT(sold ORDER BY item_id) FROM items");
  for (const char* table : {"orders", "items"})
    database.run("CREATE TABLE kept_" + std::string(table) + " AS SELECT * FROM " + table);
  feed(3001, 2000);
  ASSERT_TRUE(eventually(all_in));
  ASSERT_TRUE(eventually([&] { return is_drained(flusher.status.read()); }));
  for (const std::string table : {"orders", "items"}) {
    database.run("DELETE FROM " + table);
    database.run("INSERT INTO " + table + " SELECT * FROM kept_" + table);
  }
  set_position(std::stoull(drained));
  feed(5001, 100);  // what comes next finds it
  EXPECT_TRUE(eventually(all_in)) << database.ask("SELECT COUNT(*) FROM orders");
  EXPECT_FALSE(flusher.ended());
  EXPECT_EQ(flusher.stop().exit_code, 0);
  expect_all_there();
}

TEST_F(FaultTest, CheckpointsSetBackDoubleNothing) {
  feed(1, 3000);
  ASSERT_EQ(drain_once().exit_code, 0);
  set_position(500);
  const LoopEnd end = drain_once();
  EXPECT_EQ(end.exit_code, 0) << end.message;
  EXPECT_EQ(database.ask("SELECT COUNT(*) FROM orders"), "3000");
  EXPECT_EQ(database.ask("SELECT COUNT(*) FROM sluice_dead_letter"), "0");
  EXPECT_EQ(broken_invariants(), "");
}

TEST_F(FaultTest, CheckpointsSetBackPassDeadLettersThatAreThere) {
  feed(1, 100);
  ASSERT_EQ(drain_once().exit_code, 0);
  const std::string before = database.ask("SELECT MIN(position) FROM sluice_checkpoint");
  database.run("ALTER TABLE orders ADD CONSTRAINT not_that CHECK (user_id NOT LIKE 'bad%')");
  journal().buy("item1", "bad1", 101);
  journal().buy("item1", "bad2", 102);
  journal().buy("item1", "good", 103);
  journal().commit();
  ASSERT_EQ(drain_once().exit_code, 0);
  ASSERT_EQ(database.ask("SELECT COUNT(*) FROM sluice_dead_letter"), "2");
  database.run(
      "UPDATE sluice_dead_letter SET status = 'cancelled', changed_at = NOW(3) WHERE order_id = "
      "101");

  set_position(std::stoull(before));
  RunningFlusher again(options, true);
  const LoopEnd end = again.wait();
  EXPECT_EQ(end.exit_code, 0) << end.message;
  EXPECT_EQ(again.status.read().dead_letter_rows, 2u);
  EXPECT_EQ(database.ask("SELECT order_id, status = 'placed' FROM sluice_dead_letter"
                         " ORDER BY order_id"),
            "101,0;102,1");
  EXPECT_EQ(broken_invariants(), "");
}

}  // namespace
}  // namespace sluice::flusher
