// Rows as values, against a real server: they arrive unchanged, all of them or none.
#include "sql/bulk_rows.h"

#include <gtest/gtest.h>

#include "sql/connection.h"
#include "tests/unit/flusher/sql_server.h"

namespace sluice::sql {
namespace {

using testing_support::Database;
using Type = BulkRows::Type;

constexpr Type kNumberAndText[] = {Type::kUnsigned, Type::kText};
const std::string kInsert = "INSERT INTO t (id, text) VALUES (?,?)";

constexpr const char* kMariadbOnly = "MySQL takes parameters with any log";

class BulkRowsTest : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_FALSE(connection.connect(database.options()));
    ASSERT_TRUE(takes_bulk());
    database.run("CREATE TABLE t (id BIGINT UNSIGNED PRIMARY KEY, text VARBINARY(300))");
  }
  // Rows with the ids [begin, end) and no text.
  std::optional<Failure> insert(uint64_t begin, uint64_t end) {
    BulkRows rows(kNumberAndText, 0);
    for (uint64_t id = begin; id < end; ++id) {
      rows.add_unsigned(id);
      rows.add_null();
    }
    return connection.exec_bulk(kInsert, rows);
  }
  bool takes_bulk() const { return connection.takes_bulk(1000, 2); }
  std::string count() {
    std::vector<Row> rows;
    EXPECT_FALSE(connection.query("SELECT COUNT(*) FROM t", rows));
    return rows.empty() ? "" : *rows[0][0];
  }

  Database database;
  Connection connection;
};

TEST_F(BulkRowsTest, AnyValueArrivesUnchanged) {
  database.run(
      "CREATE TABLE v (u BIGINT UNSIGNED, s BIGINT, b VARBINARY(300), c VARCHAR(9) CHARACTER SET"
      " utf8mb4, at DATETIME(3))");
  std::string all;
  for (int c = 0; c < 256; ++c) all += static_cast<char>(c);
  constexpr Type kTypes[] = {Type::kUnsigned, Type::kSigned, Type::kText, Type::kText,
                             Type::kDateTime};
  BulkRows rows(kTypes, 2);
  rows.add_unsigned(UINT64_MAX);
  rows.add_signed(INT64_MIN);
  rows.add_text(all);
  rows.add_copy(std::string("caf\xc3\xa9"));
  rows.add_datetime({2026, 11, 30, 23, 59, 58, 7});
  rows.add_unsigned(0);
  rows.add_signed(INT64_MAX);
  rows.add_null();
  rows.add_text("");
  rows.add_datetime({9999, 12, 31, 0, 0, 0, 999});
  ASSERT_EQ(rows.rows(), 2u);
  ASSERT_FALSE(connection.exec_bulk("INSERT INTO v VALUES (?,?,?,?,?)", rows));
  EXPECT_EQ(connection.affected_rows(), 2u);
  std::vector<Row> found;
  ASSERT_FALSE(connection.query("SELECT * FROM v ORDER BY u DESC", found));
  const std::vector<Row> expected = {
      {"18446744073709551615", "-9223372036854775808", all, "caf\xc3\xa9",
       "2026-11-30 23:59:58.007"},
      {"0", "9223372036854775807", std::nullopt, "", "9999-12-31 00:00:00.999"}};
  EXPECT_EQ(found, expected);
}

TEST_F(BulkRowsTest, RefusedRowTakesAllOthersWithIt) {
  ASSERT_FALSE(insert(1, 100));
  const auto duplicate = insert(90, 2000);
  ASSERT_TRUE(duplicate);
  EXPECT_EQ(duplicate->kind, FailureKind::kDuplicate);
  EXPECT_EQ(count(), "99");  // the transaction is alive
  BulkRows too_long(kNumberAndText, 2);
  const std::string text(301, 'x');
  too_long.add_unsigned(1000);
  too_long.add_text("short");
  too_long.add_unsigned(1001);
  too_long.add_text(text);
  const auto refused = connection.exec_bulk(kInsert, too_long);
  ASSERT_TRUE(refused);
  EXPECT_EQ(refused->kind, FailureKind::kRefusedData);
  EXPECT_EQ(count(), "99");
  EXPECT_TRUE(takes_bulk());
  EXPECT_FALSE(insert(100, 5000));  // more rows, and fewer, by the same statement
  EXPECT_FALSE(insert(5000, 5001));
  EXPECT_EQ(count(), "5000");
}

TEST_F(BulkRowsTest, ClearedRowsAreFilledAnew) {
  BulkRows rows(kNumberAndText, 1);
  for (uint64_t id = 1; id <= 3; ++id) {
    rows.clear();
    EXPECT_EQ(rows.bytes(), 0u);
    rows.add_unsigned(id);
    rows.add_copy("text " + std::to_string(id));
    ASSERT_FALSE(connection.exec_bulk(kInsert, rows));
  }
  ASSERT_FALSE(connection.exec("COMMIT"));
  EXPECT_EQ(database.ask("SELECT * FROM t ORDER BY id"), "1,text 1;2,text 2;3,text 3");
}

TEST_F(BulkRowsTest, TableThatChangedIsNoticed) {
  ASSERT_FALSE(insert(1, 10));
  ASSERT_FALSE(connection.exec("COMMIT"));
  database.run("ALTER TABLE t ADD COLUMN more INT NULL");
  EXPECT_FALSE(insert(10, 20));
  ASSERT_FALSE(connection.exec("COMMIT"));
  database.run("ALTER TABLE t DROP COLUMN text");
  const auto missing = insert(20, 30);
  ASSERT_TRUE(missing);
  EXPECT_EQ(missing->kind, FailureKind::kSchemaMissing) << missing->text();
}

TEST_F(BulkRowsTest, LostConnectionIsClosedAndTheNextOnePreparesAgain) {
  ASSERT_FALSE(insert(1, 10));
  std::vector<Row> rows;
  ASSERT_FALSE(connection.query("SELECT CONNECTION_ID()", rows));
  database.run("KILL " + *rows[0][0]);
  const auto lost = insert(1, 10);
  ASSERT_TRUE(lost);
  EXPECT_EQ(lost->kind, FailureKind::kConnectionLost);
  EXPECT_FALSE(connection.connected());
  EXPECT_EQ(insert(1, 10)->kind, FailureKind::kConnectionLost);
  ASSERT_FALSE(connection.connect(database.options()));
  EXPECT_FALSE(insert(1, 10));
  EXPECT_EQ(count(), "9");
}

TEST_F(BulkRowsTest, ServerThatIsLostInItAgainAndAgainGetsText) {
  const auto lose = [&] {
    std::vector<Row> rows;
    ASSERT_FALSE(connection.query("SELECT CONNECTION_ID()", rows));
    database.run("KILL " + *rows[0][0]);
    ASSERT_EQ(insert(1, 10)->kind, FailureKind::kConnectionLost);
    ASSERT_FALSE(connection.connect(database.options()));
  };
  lose();
  lose();
  EXPECT_FALSE(insert(1, 10));  // it is good for something after all
  lose();
  lose();
  EXPECT_TRUE(takes_bulk());
  lose();
  EXPECT_FALSE(takes_bulk());
}

// MDEV-24411: the trigger's INSERT must not take values of the rows that fired it.
TEST_F(BulkRowsTest, TriggersThatInsertSeeEveryRow) {
  database.run("CREATE TABLE seen (id BIGINT UNSIGNED)");
  database.run(
      "CREATE TRIGGER see BEFORE INSERT ON t FOR EACH ROW INSERT INTO seen VALUES (NEW.id)");
  ASSERT_FALSE(insert(1, 501));
  ASSERT_FALSE(connection.exec("COMMIT"));
  EXPECT_EQ(database.ask("SELECT COUNT(*), COUNT(DISTINCT id) FROM seen"), "500,500");
  EXPECT_EQ(database.ask("SELECT COUNT(*) FROM t"), "500");
}

// MySQL's are a statement with as many (?, …), which must be worth preparing, and may be too many.
TEST(BulkRows, ServerIsSentThemWhereTheyAreFaster) {
  const bool is_mariadb = testing_support::server().program().is_mariadb();
  Connection connection;
  ASSERT_FALSE(connection.connect(testing_support::server().options("")));
  EXPECT_TRUE(connection.takes_bulk(256, 9));
  EXPECT_TRUE(connection.takes_bulk(65'535 / 9, 9));
  EXPECT_EQ(connection.takes_bulk(255, 9), is_mariadb);
  EXPECT_EQ(connection.takes_bulk(65'535 / 9 + 1, 9), is_mariadb);
}

TEST(BulkRows, ServerThatLogsStatementsAsksForText) {
  if (!testing_support::server().program().is_mariadb()) GTEST_SKIP() << kMariadbOnly;
  testing_support::SqlServer logging({"--log-bin", "--binlog-format=STATEMENT"});
  Connection connection;
  ASSERT_FALSE(connection.connect(logging.options("")));
  ASSERT_FALSE(connection.exec("CREATE DATABASE d"));
  ASSERT_FALSE(connection.exec("CREATE TABLE d.t (id INT UNSIGNED PRIMARY KEY)"));
  ASSERT_TRUE(connection.takes_bulk(2, 1));
  constexpr Type kNumber[] = {Type::kUnsigned};
  BulkRows rows(kNumber, 2);
  rows.add_unsigned(1);
  rows.add_unsigned(2);
  const auto failure = connection.exec_bulk("INSERT INTO d.t VALUES (?)", rows);
  ASSERT_TRUE(failure);
  EXPECT_EQ(failure->kind, FailureKind::kOther);
  EXPECT_EQ(failure->code, kBulkNotReplicated);
  EXPECT_FALSE(connection.takes_bulk(2, 1));
  EXPECT_FALSE(connection.exec("INSERT INTO d.t VALUES (1), (2)"));
}

}  // namespace
}  // namespace sluice::sql
