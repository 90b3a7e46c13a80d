#include "flusher/load_probe.h"

#include <thread>

#include "base/clock.h"
#include "tests/unit/flusher/sql_server.h"

namespace sluice::flusher {
namespace {

TEST(LoadProbe, SessionsThatWaitForRowLocksAreCounted) {
  const testing_support::Database database;
  database.run("CREATE TABLE t (id INT PRIMARY KEY) ENGINE = InnoDB");
  database.run("INSERT INTO t VALUES (1)");
  sql::Connection holder, first, second, asking;
  for (sql::Connection* each : {&holder, &first, &second, &asking}) {
    ASSERT_FALSE(each->connect(database.options()));
  }
  LoadProbe probe(database.options());
  ServerLoad load;
  ASSERT_FALSE(probe.read(asking, base::monotonic_us(), load));
  EXPECT_GE(load.threads_running, 1);
  EXPECT_EQ(load.lock_waits, 0);
  ASSERT_FALSE(holder.exec("UPDATE t SET id = 2"));
  const auto wait = [](sql::Connection* connection) {
    const auto failure = connection->exec("UPDATE t SET id = 3");
    EXPECT_TRUE(failure && failure->kind == sql::FailureKind::kLockWait);
  };
  std::thread one(wait, &first), other(wait, &second);
  one.join();
  other.join();
  ASSERT_FALSE(probe.read(asking, base::monotonic_us(), load));
  EXPECT_GE(load.lock_waits, 1);  // two, but for what the looks themselves took
  EXPECT_LE(load.lock_waits, 2);
  ASSERT_FALSE(probe.read(asking, base::monotonic_us() + 1'000'000, load));
  EXPECT_EQ(load.lock_waits, 0);
}

}  // namespace
}  // namespace sluice::flusher
