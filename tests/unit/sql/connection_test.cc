// Against a real server: what each kind of failure looks like, and that values arrive unchanged.
#include "sql/connection.h"

#include <gtest/gtest.h>

#include <thread>

#include "sql/schema.h"
#include "tests/unit/flusher/sql_server.h"

namespace sluice::sql {
namespace {

using testing_support::Database;
using testing_support::eventually;
using testing_support::server;

class ConnectionTest : public testing::Test {
 protected:
  void SetUp() override { ASSERT_FALSE(connection.connect(database.options())); }
  FailureKind kind(std::string_view statement) {
    const auto failure = connection.exec(statement);
    EXPECT_TRUE(failure) << statement;
    return failure ? failure->kind : FailureKind::kOther;
  }
  void must(std::string_view statement) {
    const auto failure = connection.exec(statement);
    EXPECT_FALSE(failure) << statement << ": " << failure->text();
  }

  Database database;
  Connection connection;
};

TEST_F(ConnectionTest, AnyBytesArriveUnchangedThroughQuotesAndHex) {
  std::string all;
  for (int c = 0; c < 256; ++c) all += static_cast<char>(c);
  must("CREATE TABLE t (id INT PRIMARY KEY, bytes BLOB, text TEXT) CHARACTER SET utf8mb4");
  std::string insert = "INSERT INTO t VALUES (1, ";
  append_hex(insert, all);
  insert += ", ";
  append_quoted(insert, std::string_view("q'\"\\\0\n\r\x1a% _\xf0\x9f\x98\x80", 15));
  must(insert + ")");
  std::vector<Row> rows;
  ASSERT_FALSE(connection.query("SELECT bytes, text, NULL FROM t", rows));
  ASSERT_EQ(rows.size(), 1u);
  EXPECT_EQ(rows[0][0], all);
  EXPECT_EQ(rows[0][1], std::string_view("q'\"\\\0\n\r\x1a% _\xf0\x9f\x98\x80", 15));
  EXPECT_EQ(rows[0][2], std::nullopt);
}

TEST_F(ConnectionTest, ServersRefusalsAreToldApart) {
  must(
      "CREATE TABLE t (id INT PRIMARY KEY, n TINYINT NOT NULL, s VARCHAR(3) NOT NULL,"
      " j JSON, m INT NOT NULL DEFAULT 0, CHECK (n <> 7)) CHARACTER SET utf8mb4");
  must("INSERT INTO t (id, n, s) VALUES (1, 1, 'a')");
  EXPECT_EQ(kind("INSERT INTO t (id, n, s) VALUES (1, 1, 'a')"), FailureKind::kDuplicate);
  EXPECT_EQ(kind("INSERT INTO t (id, n, s) VALUES (2, 300, 'a')"), FailureKind::kRefusedData);
  EXPECT_EQ(kind("INSERT INTO t (id, n, s) VALUES (2, 1, 'abcd')"), FailureKind::kRefusedData);
  EXPECT_EQ(kind("INSERT INTO t (id, n, s) VALUES (2, NULL, 'a')"), FailureKind::kRefusedData);
  EXPECT_EQ(kind("INSERT INTO t (id, n, s) VALUES (2, 7, 'a')"), FailureKind::kRefusedData);
  EXPECT_EQ(kind("INSERT INTO t (id, n, s) VALUES (2, 1, x'ff')"), FailureKind::kRefusedData);
  EXPECT_EQ(kind("INSERT INTO t (id, n, s, j) VALUES (2, 1, 'a', '{')"), FailureKind::kRefusedData);
  EXPECT_EQ(kind("INSERT INTO t (id, n) VALUES (2, 1)"), FailureKind::kSchemaMissing);
  EXPECT_EQ(kind("INSERT INTO t (nope) VALUES (2)"), FailureKind::kSchemaMissing);
  EXPECT_EQ(kind("INSERT INTO nope VALUES (2)"), FailureKind::kSchemaMissing);
  EXPECT_EQ(kind("SELEKT"), FailureKind::kOther);
  // Refusals leave the transaction alone.
  std::vector<Row> rows;
  ASSERT_FALSE(connection.query("SELECT COUNT(*) FROM t", rows));
  EXPECT_EQ(rows[0][0], "1");
}

TEST_F(ConnectionTest, TransactionsBeginByThemselves) {
  must("CREATE TABLE t (id INT PRIMARY KEY)");
  must("INSERT INTO t VALUES (1)");
  connection.rollback();
  EXPECT_EQ(database.ask("SELECT COUNT(*) FROM t"), "0");
  must("INSERT INTO t VALUES (1)");
  must("COMMIT");
  EXPECT_EQ(database.ask("SELECT COUNT(*) FROM t"), "1");
  must("UPDATE t SET id = id");
  EXPECT_EQ(connection.affected_rows(), 0u);
  must("UPDATE t SET id = 2");
  EXPECT_EQ(connection.affected_rows(), 1u);
}

TEST_F(ConnectionTest, KilledConnectionIsClosedAndNeverReconnectsByItself) {
  std::vector<Row> rows;
  ASSERT_FALSE(connection.query("SELECT CONNECTION_ID()", rows));
  database.run("KILL " + *rows[0][0]);
  EXPECT_EQ(kind("SELECT 1"), FailureKind::kConnectionLost);
  EXPECT_FALSE(connection.connected());
  EXPECT_EQ(kind("SELECT 1"), FailureKind::kConnectionLost);
  ASSERT_FALSE(connection.connect(database.options()));
  must("SELECT 1");
}

TEST_F(ConnectionTest, AbortCutsAStatementThatIsBeingWaitedFor) {
  std::thread waiting(
      [this] { EXPECT_EQ(kind("SELECT SLEEP(60)"), FailureKind::kConnectionLost); });
  EXPECT_TRUE(eventually([this] {
    return database.ask(
               "SELECT COUNT(*) FROM information_schema.processlist"
               " WHERE info = 'SELECT SLEEP(60)'") == "1";
  }));
  connection.abort();
  waiting.join();
}

TEST_F(ConnectionTest, OversizeStatementIsNamedAsSuch) {
  database.run("SET GLOBAL max_allowed_packet = 1048576");
  ASSERT_FALSE(connection.connect(database.options()));
  EXPECT_EQ(connection.max_allowed_packet(), 1u << 20);
  const auto failure = connection.exec("SELECT '" + std::string(2 << 20, 'x') + "'");
  database.run("SET GLOBAL max_allowed_packet = DEFAULT");
  ASSERT_TRUE(failure);
  // The server may close before Connector/C has read its answer.
  EXPECT_TRUE(failure->kind == FailureKind::kTooLarge ||
              failure->kind == FailureKind::kConnectionLost)
      << failure->text();
  EXPECT_FALSE(connection.connected());
}

TEST_F(ConnectionTest, WrongPasswordAndNobodyThereAreToldApart) {
  database.run("CREATE USER IF NOT EXISTS other IDENTIFIED BY 'secret'");
  ConnectOptions options = database.options();
  options.user = "other";
  options.password = "wr0ng";
  const auto denied = connection.connect(options);
  ASSERT_TRUE(denied);
  EXPECT_EQ(denied->kind, FailureKind::kAccessDenied) << denied->text();
  EXPECT_EQ(denied->text().find("wr0ng"), std::string::npos);
  options.unix_socket += ".absent";
  const auto absent = connection.connect(options);
  ASSERT_TRUE(absent);
  EXPECT_EQ(absent->kind, FailureKind::kConnectionLost) << absent->text();
  EXPECT_NE(absent->text().find(".absent"), std::string::npos);
}

TEST_F(ConnectionTest, LockWaitAndReadOnlyServerAreToldApart) {
  must("CREATE TABLE t (id INT PRIMARY KEY)");
  must("INSERT INTO t VALUES (1)");
  Connection other;
  ASSERT_FALSE(other.connect(database.options()));
  const auto failure = other.exec("INSERT INTO t VALUES (1)");
  ASSERT_TRUE(failure);
  EXPECT_EQ(failure->kind, FailureKind::kLockWait) << failure->text();
  connection.rollback();

  database.run("CREATE USER IF NOT EXISTS reader");
  // Without the right to write all the same, which each server names differently.
  database.run("GRANT ALL ON " + database.name() + ".* TO reader");
  database.run("SET GLOBAL read_only = ON");
  ConnectOptions options = database.options();
  options.user = "reader";
  ASSERT_FALSE(other.connect(options));
  const auto refused = other.exec("INSERT INTO t VALUES (2)");
  database.run("SET GLOBAL read_only = OFF");
  ASSERT_TRUE(refused);
  EXPECT_EQ(refused->kind, FailureKind::kReadOnly) << refused->text();
}

TEST_F(ConnectionTest, SchemaIsAppliedOnceAndAgain) {
  for (int i = 0; i < 2; ++i) {
    for (const std::string& statement : schema_statements()) {
      const auto failure = connection.exec(statement);
      ASSERT_FALSE(failure) << failure->text();
    }
  }
  EXPECT_EQ(database.ask("SHOW TABLES"),
            "items;orders;sluice_checkpoint;sluice_dead_letter;sluice_deleted_item;"
            "sluice_early_change;sluice_journal");
  EXPECT_EQ(schema_statements().size(), 7u);
  EXPECT_NE(schema_text().find("CREATE TABLE IF NOT EXISTS `orders`"), std::string_view::npos);
}

TEST_F(ConnectionTest, DatabaseIsCreatedIfMissing) {
  ConnectOptions options = server().options("made_by_test");
  EXPECT_EQ(connection.connect(options)->code, 1049u);
  ASSERT_FALSE(create_database(options));
  ASSERT_FALSE(create_database(options));
  ASSERT_FALSE(connection.connect(options));
  database.run("DROP DATABASE made_by_test");
}

TEST(ServerAddress, IsAHostWithOrWithoutPortOrAPath) {
  const std::pair<const char*, const char*> good[] = {{"db", "db:3307"},
                                                      {"db:1", "db:1"},
                                                      {"10.0.0.1:65535", "10.0.0.1:65535"},
                                                      {"[::1]", "[::1]:3307"},
                                                      {"[fe80::1]:3306", "[fe80::1]:3306"},
                                                      {"/run/my.sock", "/run/my.sock"}};
  for (const auto& [text, is] : good) {
    const auto server = parse_server_address(text, 3307);
    ASSERT_TRUE(server.ok()) << text;
    EXPECT_EQ(server->text(), is);
  }
  for (const char* text : {"", ":3306", "db:", "db:0", "db:65536", "db:+1", "db:1x", "::1", "[::1",
                           "[]:1", "[::1]3306", "a b", "db/x"}) {
    const auto server = parse_server_address(text, 3307);
    ASSERT_FALSE(server.ok()) << text;
    EXPECT_NE(server.error().message().find("write \"host\""), std::string::npos);
  }
}

// The kind of a failure is that of the server which came nearest; each is named with its reason.
TEST_F(ConnectionTest, OfSeveralServersTheFirstThatAnswersIsTaken) {
  ConnectOptions options = database.options();
  const ServerAddress there{.unix_socket = options.unix_socket};
  const ServerAddress absent{.unix_socket = options.unix_socket + ".absent"};
  ServerChoice choice;
  options.choice = &choice;
  options.hosts = {absent, there};
  ASSERT_FALSE(connection.connect(options));
  EXPECT_EQ(connection.server(), options.unix_socket);
  EXPECT_EQ(choice.current(), 1u);
  EXPECT_FALSE(connection.is_elsewhere());
  choice.choose(0);
  EXPECT_TRUE(connection.is_elsewhere());

  options.database = "no_such_database";
  const auto failure = connection.connect(options);
  ASSERT_TRUE(failure);
  EXPECT_EQ(failure->code, 1049u);
  EXPECT_EQ(failure->kind, FailureKind::kSchemaMissing);
  for (const ServerAddress& server : options.hosts)
    EXPECT_NE(failure->message.find(server.text() + "/no_such_database: "), std::string::npos)
        << failure->message;
}

TEST(Identifier, IsWhatMayStandInBackticks) {
  EXPECT_TRUE(is_identifier("orders_2026$"));
  EXPECT_TRUE(is_identifier(std::string(64, 'a')));
  EXPECT_TRUE(is_identifier("shop-1 \"a\" caf\xc3\xa9"));
  for (const std::string& bad :
       {std::string(), std::string(65, 'a'), std::string("a`b"), std::string("a.b"),
        std::string("a "), std::string("\xf0\x9f\x98\x80")}) {
    EXPECT_FALSE(is_identifier(bad)) << bad;
  }
}

TEST(Failure, TellsWhatMayPassByItself) {
  EXPECT_EQ(kind_of(1213), FailureKind::kDeadlock);
  EXPECT_EQ(kind_of(1205), FailureKind::kLockWait);
  for (const unsigned code : {2002u, 2003u, 2006u, 2013u, 1053u, 1927u, 1040u, 5013u}) {
    EXPECT_EQ(kind_of(code), FailureKind::kConnectionLost) << code;
  }
  for (const unsigned code : {1290u, 1836u, 1792u})
    EXPECT_EQ(kind_of(code), FailureKind::kReadOnly);
  for (const unsigned code : {3u, 1021u, 1114u}) EXPECT_EQ(kind_of(code), FailureKind::kFull);
  for (const unsigned code : {1044u, 1045u, 1142u}) {
    EXPECT_EQ(kind_of(code), FailureKind::kAccessDenied);
  }
  EXPECT_EQ(kind_of(1153), FailureKind::kTooLarge);
  EXPECT_EQ(kind_of(9999), FailureKind::kOther);
  // Of these the number alone says nothing.
  EXPECT_EQ(kind_of(1105), FailureKind::kOther);
  EXPECT_EQ(kind_of(1105, "HY000", "Maximum writeset size exceeded"), FailureKind::kTooLarge);
  EXPECT_EQ(kind_of(1180), FailureKind::kOther);
  EXPECT_EQ(kind_of(1180, "HY000", "(provider status: Not connected to Primary Component)"),
            FailureKind::kReadOnly);
  EXPECT_EQ((Failure{FailureKind::kDeadlock, 1213, "x"}).error().cls(), ErrorClass::kUnavailable);
  EXPECT_EQ((Failure{FailureKind::kRefusedData, 1406, "x"}).error().cls(), ErrorClass::kRefused);
  EXPECT_EQ((Failure{FailureKind::kFull, 1114, "x"}).error().cls(), ErrorClass::kNoSpace);
}

}  // namespace
}  // namespace sluice::sql
