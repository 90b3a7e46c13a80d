#include "bench/insert_loop.h"

#include <algorithm>
#include <cinttypes>
#include <cstdio>
#include <memory>
#include <optional>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "bench/interrupt.h"

namespace sluice::bench {
namespace {

struct Writer {
  sql::Connection connection;
  uint64_t first = 0;  // of its range of rows
  uint64_t end = 0;
  std::optional<sql::Failure> failure;
};

std::string insert_statement(const InsertLoopOptions& options, uint64_t first, uint64_t end) {
  std::string text =
      "INSERT INTO orders (order_id, item_id, user_id, quantity, status, request_id, created_at, "
      "updated_at) VALUES ";
  char row[320];
  for (uint64_t i = first; i < end; ++i) {
    std::snprintf(row, sizeof row,
                  "%s(%" PRIu64 ",'%s','u%09" PRIu64 "',1,'placed','r%09" PRIu64
                  "-0000','2026-01-01 00:00:00.000','2026-01-01 00:00:00.000')",
                  i == first ? "" : ",", options.first_order_id + i, options.item.c_str(), i, i);
    text += row;
  }
  return text;
}

void write_range(const InsertLoopOptions& options, Writer& writer) {
  for (uint64_t first = writer.first; first < writer.end && !interrupted();) {
    const uint64_t end = std::min(writer.end, first + options.rows_per_statement);
    writer.failure = writer.connection.exec(insert_statement(options, first, end));
    if (writer.failure) return;
    first = end;
  }
}

}  // namespace

Result<double> run_insert_loop(const InsertLoopOptions& options) {
  std::vector<std::unique_ptr<Writer>> writers;
  const auto count = static_cast<uint64_t>(options.connections);
  for (uint64_t i = 0; i < count; ++i) {
    writers.push_back(std::make_unique<Writer>());
    Writer& writer = *writers.back();
    writer.first = options.rows * i / count;
    writer.end = options.rows * (i + 1) / count;
    if (const auto failure = writer.connection.connect(options.database)) return failure->error();
    // One statement, one transaction: a bare loop has no second round trip for a COMMIT.
    if (const auto failure = writer.connection.exec("SET autocommit = 1")) return failure->error();
  }
  const int64_t start_us = base::monotonic_us();
  std::vector<std::jthread> threads;
  for (auto& writer : writers) {
    threads.emplace_back([&options, &writer] { write_range(options, *writer); });
  }
  threads.clear();  // joins
  const double seconds = static_cast<double>(base::monotonic_us() - start_us) / 1e6;
  for (const auto& writer : writers) {
    if (writer->failure) return writer->failure->error();
  }
  if (interrupted()) return Error(ErrorClass::kUnavailable, "interrupted");
  return static_cast<double>(options.rows) / seconds;
}

}  // namespace sluice::bench
