// The parts that need real servers: private ones, started and ended by the test.
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <filesystem>

#include "bench/control.h"
#include "bench/diy_workload.h"
#include "bench/insert_loop.h"
#include "bench/load.h"
#include "bench/load_data.h"
#include "bench/mysql_sale.h"
#include "bench/order_check.h"
#include "bench/process.h"
#include "bench/stack.h"

namespace sluice::bench {
namespace {

std::unique_ptr<Stack> make_stack() {
  StackOptions options;
  options.folder = ::testing::TempDir();
  auto stack = Stack::create(options);
  EXPECT_TRUE(stack.ok());
  return std::move(*stack);
}

TEST(Process, AMissingProgramIsNamed) {
  auto process = Process::start("no-such-server", {"/no/such/server"}, "/dev/null");
  ASSERT_TRUE(process.ok());
  const Status ready = wait_until_ready(**process, 5'000'000, [] { return false; });
  ASSERT_FALSE(ready.ok());
  EXPECT_EQ(ready.error().cls(), ErrorClass::kNotFound);
  EXPECT_NE(ready.error().message().find("no-such-server"), std::string::npos);
}

TEST(Process, IsGoneWhenItsOwnerIs) {
  auto process = Process::start("sleep", {"sleep", "600"}, "/dev/null");
  ASSERT_TRUE(process.ok());
  EXPECT_TRUE((*process)->running());
  (*process)->stop();
  EXPECT_FALSE((*process)->running());
  const auto code = (*process)->wait(0);
  ASSERT_TRUE(code.ok());
  EXPECT_EQ(*code, 128 + SIGTERM);
}

TEST(Stack, LeavesNoFolderBehind) {
  std::string folder;
  {
    auto stack = make_stack();
    folder = stack->folder();
    ASSERT_TRUE(stack->start_redis("redis", {}).ok());
    EXPECT_TRUE(std::filesystem::exists(folder));
  }
  EXPECT_FALSE(std::filesystem::exists(folder));
}

TEST(Diy, SellsExactlyTheStockOneToABuyer) {
  auto stack = make_stack();
  const auto address = stack->start_redis("redis", {"appendonly", "yes"});
  ASSERT_TRUE(address.ok()) << address.error().message();
  for (const bool stream : {true, false}) {
    DiyOptions options{*address, "phone", 100};
    options.buyers = 300;
    options.stream = stream;
    auto workload = DiyWorkload::create(options);
    ASSERT_TRUE(workload.ok()) << workload.error().message();
    LoadOptions load;
    load.address = *address;
    load.pipeline = 4;
    load.requests = 600;  // every buyer twice
    load.progress = false;
    const auto result = run_load(load, **workload);
    ASSERT_TRUE(result.ok());
    EXPECT_EQ(result->accepted, 100u);
    EXPECT_EQ(result->refused.total(), 500u);
    EXPECT_EQ(result->refused.count("SOLDOUT") + result->refused.count("LIMIT"), 500u);
    auto control = Control::connect(*address);
    ASSERT_TRUE(control.ok());
    EXPECT_EQ(control->command({"GET", "diy:{phone}:stock"})->text, "0");
    EXPECT_EQ(control->command({"HLEN", "diy:{phone}:buyers"})->text, "100");
    EXPECT_EQ(control->command({"XLEN", "diy:{phone}:orders"})->text, stream ? "100" : "0");
    ASSERT_TRUE((*workload)->clean_up().ok());
    EXPECT_EQ(control->command({"DBSIZE"})->text, "0");
  }
}

TEST(Diy, SellsManyItemsEachFromKeysOfItsOwn) {
  auto stack = make_stack();
  const auto address = stack->start_redis("redis", {});
  ASSERT_TRUE(address.ok()) << address.error().message();
  for (const bool stream : {true, false}) {
    DiyOptions options{*address, "phone", 1000};
    options.items = 3;
    options.zipf = 0;
    options.stream = stream;
    auto workload = DiyWorkload::create(options);
    ASSERT_TRUE(workload.ok()) << workload.error().message();
    LoadOptions load;
    load.address = *address;
    load.requests = 600;
    load.progress = false;
    const auto result = run_load(load, **workload);
    ASSERT_TRUE(result.ok());
    EXPECT_EQ(result->accepted, 600u);
    auto control = Control::connect(*address);
    ASSERT_TRUE(control.ok());
    int64_t left = 0;
    for (const char* item : {"phone-0000", "phone-0001", "phone-0002"}) {
      const std::string keys = "diy:{" + std::string(item) + "}:";
      const int64_t stock = std::stoll(control->command({"GET", keys + "stock"})->text);
      EXPECT_LT(stock, 1000);
      const std::string sold = std::to_string(1000 - stock);
      EXPECT_EQ(control->command({"HLEN", keys + "buyers"})->text, sold);
      EXPECT_EQ(control->command({"XLEN", keys + "orders"})->text, stream ? sold : "0");
      left += stock;
    }
    EXPECT_EQ(left, 3000 - 600);
    ASSERT_TRUE((*workload)->clean_up().ok());
    EXPECT_EQ(control->command({"DBSIZE"})->text, "0");
  }
}

TEST(Diy, ALimitOfTwoLetsABuyerBuyTwice) {
  auto stack = make_stack();
  const auto address = stack->start_redis("redis", {});
  ASSERT_TRUE(address.ok()) << address.error().message();
  DiyOptions options{*address, "phone", 1000, 2};
  options.buyers = 10;
  auto workload = DiyWorkload::create(options);
  ASSERT_TRUE(workload.ok());
  LoadOptions load;
  load.address = *address;
  load.requests = 30;  // every buyer three times
  load.progress = false;
  const auto result = run_load(load, **workload);
  ASSERT_TRUE(result.ok());
  EXPECT_EQ(result->accepted, 20u);
  EXPECT_EQ(result->refused.count("LIMIT"), 10u);
}

std::string count_of(const sql::ConnectOptions& database, const std::string& query) {
  sql::Connection connection;
  std::vector<sql::Row> rows;
  EXPECT_FALSE(connection.connect(database).has_value());
  EXPECT_FALSE(connection.query(query, rows).has_value()) << query;
  return rows.empty() ? "" : rows[0][0].value_or("NULL");
}

TEST(MysqlSale, SellsExactlyTheStockAndRefusesTheRest) {
  auto stack = make_stack();
  const Status started = stack->start_database();
  ASSERT_TRUE(started.ok()) << started.error().message();
  MysqlSaleOptions options;
  options.database = stack->database();
  options.item = "phone";
  options.stock = 50;
  options.connections = 4;
  options.duration_us = 2'000'000;
  const auto result = run_mysql_sale(options);
  ASSERT_TRUE(result.ok()) << result.error().message();
  EXPECT_EQ(result->accepted, 50u);
  EXPECT_GT(result->refused, 0u);
  EXPECT_EQ(result->accepted_ns.count(), 50u);
  EXPECT_EQ(count_of(options.database, "SELECT COUNT(DISTINCT user_id) FROM sluice_bench_orders"),
            "50");
}

TEST(LoadData, PutsTheSameRowsInAsTheInsertLoop) {
  auto stack = make_stack();
  const Status started = stack->start_database();
  ASSERT_TRUE(started.ok()) << started.error().message();
  ASSERT_TRUE(create_tables(stack->database()).ok());
  const auto loaded = run_load_data({stack->database(), stack->folder(), "loaded", 1'000, 1'500});
  ASSERT_TRUE(loaded.ok()) << loaded.error().message();
  EXPECT_FALSE(std::filesystem::exists(stack->folder() + "/loaded.csv"));
  const auto inserted = run_insert_loop({stack->database(), "inserted", 5'000, 1'500, 1'000, 1});
  ASSERT_TRUE(inserted.ok()) << inserted.error().message();
  EXPECT_EQ(
      count_of(stack->database(),
               "SELECT COUNT(*) FROM orders a JOIN orders b ON b.order_id = a.order_id + 4000 "
               "AND b.user_id = a.user_id AND b.request_id = a.request_id AND b.quantity = "
               "a.quantity AND b.status = a.status AND b.created_at = a.created_at"),
      "1500");
}

TEST(OrderCheck, FindsAMissingOrderAForeignOneAndAWrongSum) {
  auto stack = make_stack();
  const Status started = stack->start_database();
  ASSERT_TRUE(started.ok()) << started.error().message();
  ASSERT_TRUE(create_tables(stack->database()).ok());
  for (const int connections : {1, 2}) {
    const std::string item = "item-" + std::to_string(connections);
    const auto rate = run_insert_loop({stack->database(), item,
                                       uint64_t{1'000'000} * static_cast<uint64_t>(connections),
                                       2500, 1000, connections});
    ASSERT_TRUE(rate.ok()) << rate.error().message();
    EXPECT_GT(*rate, 0);
    sql::Connection connection;
    ASSERT_FALSE(connection.connect(stack->database()).has_value());
    ASSERT_FALSE(connection
                     .exec("INSERT INTO items (item_id, stock, sold, updated_at) VALUES ('" + item +
                           "', 9999, 2500, NOW())")
                     .has_value());
    ASSERT_FALSE(connection.exec("COMMIT").has_value());
    Acknowledged told;
    for (uint64_t i = 0; i < 2500; ++i)
      told.add(1'000'000 * static_cast<uint64_t>(connections) + i);
    EXPECT_TRUE(check_accepted(stack->database(), {{item, told}}).ok());
    EXPECT_FALSE(check_accepted(stack->database(), {{item, {2501, told.ids}}}).ok());
    EXPECT_FALSE(check_accepted(stack->database(), {{item, {2499, told.ids}}}).ok());
    const Status other = check_accepted(stack->database(), {{item, {2500, told.ids ^ 1}}});
    ASSERT_FALSE(other.ok());
    EXPECT_NE(other.error().message().find("order_ids"), std::string::npos);
    // The last four are others, of neighbouring numbers.
    Acknowledged neighbours;
    for (uint64_t i = 0; i < 2500; ++i)
      neighbours.add(1'000'000 * static_cast<uint64_t>(connections) + (i < 2496 ? i : i + 4));
    EXPECT_FALSE(check_accepted(stack->database(), {{item, neighbours}}).ok());
    ASSERT_FALSE(connection
                     .exec("UPDATE orders SET user_id = 'u000000007' WHERE item_id = '" + item +
                           "' AND user_id = 'u000000008'")
                     .has_value());
    ASSERT_FALSE(connection.exec("COMMIT").has_value());
    const Status twice = check_accepted(stack->database(), {{item, told}});
    ASSERT_FALSE(twice.ok());
    EXPECT_NE(twice.error().message().find("u000000007 has more than one"), std::string::npos);
    ASSERT_FALSE(
        connection.exec("UPDATE items SET sold = 2499 WHERE item_id = '" + item + "'").has_value());
    ASSERT_FALSE(connection.exec("COMMIT").has_value());
    const Status wrong = check_accepted(stack->database(), {{item, told}});
    ASSERT_FALSE(wrong.ok());
    EXPECT_NE(wrong.error().message().find("items.sold is 2499"), std::string::npos);
  }
  EXPECT_FALSE(check_accepted(stack->database(), {{"nobody-sold-this", {1, 1}}}).ok());
}

}  // namespace
}  // namespace sluice::bench
