#include "bench/mysql_sale.h"

#include <memory>
#include <optional>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "bench/interrupt.h"

namespace sluice::bench {
namespace {

constexpr const char* kTables[] = {
    "CREATE TABLE IF NOT EXISTS sluice_bench_items (item_id VARCHAR(64) CHARACTER SET ascii "
    "PRIMARY KEY, stock BIGINT NOT NULL, sold BIGINT NOT NULL) ENGINE = InnoDB",
    "CREATE TABLE IF NOT EXISTS sluice_bench_orders (order_id BIGINT UNSIGNED AUTO_INCREMENT "
    "PRIMARY KEY, item_id VARCHAR(64) CHARACTER SET ascii NOT NULL, user_id VARCHAR(64) CHARACTER "
    "SET ascii NOT NULL, quantity INT UNSIGNED NOT NULL, created_at DATETIME(3) NOT NULL, "
    "UNIQUE KEY item_user (item_id, user_id)) ENGINE = InnoDB"};

struct Buyer {
  sql::Connection connection;
  uint64_t first = 0;  // its users: first, first + step, …
  uint64_t step = 1;
  MysqlSaleResult result;
  std::optional<sql::Failure> failure;
};

std::string sql_literal(const std::string& text) {
  std::string out;
  sql::append_quoted(out, text);
  return out;
}

// One purchase. nullopt: decided, one way or the other.
std::optional<sql::Failure> buy(Buyer& buyer, const std::string& item, uint64_t user) {
  sql::Connection& connection = buyer.connection;
  const int64_t start_us = base::monotonic_us();
  if (auto failure =
          connection.exec("UPDATE sluice_bench_items SET sold = sold + 1 WHERE item_id = " + item +
                          " AND sold < stock")) {
    return failure;
  }
  if (connection.affected_rows() == 0) {
    connection.rollback();
    ++buyer.result.refused;
    return std::nullopt;
  }
  if (auto failure = connection.exec(
          "INSERT INTO sluice_bench_orders (item_id, user_id, quantity, created_at) VALUES (" +
          item + ", 'u" + std::to_string(user) + "', 1, NOW(3))")) {
    return failure;
  }
  if (auto failure = connection.exec("COMMIT")) return failure;
  ++buyer.result.accepted;
  buyer.result.accepted_ns.record((base::monotonic_us() - start_us) * 1000);
  return std::nullopt;
}

void buy_until(Buyer& buyer, const std::string& item, int64_t end_us) {
  for (uint64_t user = buyer.first; base::monotonic_us() < end_us && !interrupted();
       user += buyer.step) {
    buyer.failure = buy(buyer, item, user);
    if (buyer.failure) return;
  }
}

Status create_item(const MysqlSaleOptions& options) {
  sql::Connection connection;
  if (const auto failure = connection.connect(options.database)) return failure->error();
  for (const char* table : kTables) {
    if (const auto failure = connection.exec(table)) return failure->error();
  }
  if (const auto failure =
          connection.exec("INSERT INTO sluice_bench_items (item_id, stock, sold) VALUES (" +
                          sql_literal(options.item) + ", " + std::to_string(options.stock) +
                          ", 0)")) {
    return failure->error();
  }
  if (const auto failure = connection.exec("COMMIT")) return failure->error();
  return {};
}

}  // namespace

Result<MysqlSaleResult> run_mysql_sale(const MysqlSaleOptions& options) {
  SLUICE_TRY(create_item(options));
  std::vector<std::unique_ptr<Buyer>> buyers;
  for (int i = 0; i < options.connections; ++i) {
    buyers.push_back(std::make_unique<Buyer>());
    buyers.back()->first = static_cast<uint64_t>(i);
    buyers.back()->step = static_cast<uint64_t>(options.connections);
    if (const auto failure = buyers.back()->connection.connect(options.database)) {
      return failure->error();
    }
  }
  const std::string item = sql_literal(options.item);
  const int64_t start_us = base::monotonic_us();
  std::vector<std::jthread> threads;
  for (auto& buyer : buyers) {
    threads.emplace_back([&] { buy_until(*buyer, item, start_us + options.duration_us); });
  }
  threads.clear();  // joins
  MysqlSaleResult result;
  result.elapsed_s = static_cast<double>(base::monotonic_us() - start_us) / 1e6;
  for (const auto& buyer : buyers) {
    if (buyer->failure) return buyer->failure->error();
    result.accepted += buyer->result.accepted;
    result.refused += buyer->result.refused;
    result.accepted_ns.merge(buyer->result.accepted_ns);
  }
  return result;
}

}  // namespace sluice::bench
