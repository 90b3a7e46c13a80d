#include "flusher/checkpoint.h"

#include <gtest/gtest.h>

#include "orders/schema.h"
#include "tests/unit/flusher/sql_server.h"

namespace sluice::flusher {
namespace {

class CheckpointTest : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_FALSE(connection.connect(database.options()));
    ASSERT_FALSE(orders::apply_schema(connection, {}));
    ASSERT_FALSE(repartition(connection, older, 0, 2, 10, 77));
  }
  // How many rows an advance of writer 1 changes.
  uint64_t advance(const CheckpointKey& key, uint64_t from, uint64_t to) {
    EXPECT_FALSE(advance_checkpoint(connection, key, 1, from, to, 100 + to));
    const uint64_t changed = connection.affected_rows();
    EXPECT_FALSE(connection.exec("COMMIT"));
    return changed;
  }

  testing_support::Database database;
  sql::Connection connection;
  const CheckpointKey older{7, 1001};
  const CheckpointKey newer{7, 1002};
  std::vector<CheckpointRow> rows;
};

TEST_F(CheckpointTest, MovesOnlyFromWhereItIs) {
  EXPECT_EQ(advance(older, 9, 20), 0u);
  EXPECT_EQ(advance(older, 10, 20), 1u);
  EXPECT_EQ(advance(older, 10, 20), 0u);
  EXPECT_EQ(database.ask("SELECT position, fingerprint FROM sluice_checkpoint ORDER BY writer"),
            "10,77;20,120");
}

TEST_F(CheckpointTest, LastClaimWinsAllRows) {
  ASSERT_FALSE(lock_checkpoints(connection, newer.journal_id, rows));
  ASSERT_FALSE(claim_checkpoints(connection, newer));
  ASSERT_FALSE(connection.exec("COMMIT"));
  ASSERT_EQ(rows.size(), 2u);
  EXPECT_EQ(rows[1].position, 10u);
  EXPECT_EQ(rows[1].fingerprint, 77u);
  EXPECT_EQ(advance(older, 10, 20), 0u);
  EXPECT_EQ(advance(newer, 10, 20), 1u);
}

TEST_F(CheckpointTest, RepartitionNeedsAllRowsAtOnePlaceAndItsOwn) {
  EXPECT_TRUE(repartition(connection, newer, 2, 3, 10, 77));  // another owner's
  EXPECT_TRUE(repartition(connection, older, 2, 3, 11, 77));  // another position
  ASSERT_EQ(advance(older, 10, 20), 1u);
  EXPECT_TRUE(repartition(connection, older, 2, 3, 10, 77));  // not all there
  EXPECT_EQ(database.ask("SELECT COUNT(*), MAX(writers) FROM sluice_checkpoint"), "2,1002");
}

TEST_F(CheckpointTest, JournalsDoNotMix) {
  ASSERT_FALSE(lock_checkpoints(connection, 8, rows));
  EXPECT_TRUE(rows.empty());
  EXPECT_EQ(advance({8, 1001}, 10, 20), 0u);
}

TEST_F(CheckpointTest, TableThatContradictsItselfIsRefused) {
  database.run("DELETE FROM sluice_checkpoint WHERE writer = 0");
  const auto failure = lock_checkpoints(connection, older.journal_id, rows);
  ASSERT_TRUE(failure);
  EXPECT_EQ(failure->code, 0u);
}

}  // namespace
}  // namespace sluice::flusher
