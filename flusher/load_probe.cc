#include "flusher/load_probe.h"

#include "base/units.h"

namespace sluice::flusher {
namespace {

// 0 if it is no number.
int64_t value_of(const std::optional<std::string>& text) {
  const auto number = text ? base::parse_integer(*text) : Result<int64_t>(int64_t{0});
  return number ? *number : 0;
}

}  // namespace

std::optional<sql::Failure> LoadProbe::read(sql::Connection& connection, int64_t now_us,
                                            ServerLoad& load) {
  std::vector<sql::Row> rows;
  if (auto failure = connection.query("SHOW GLOBAL STATUS WHERE Variable_name IN"
                                      " ('Threads_running', 'Innodb_row_lock_time')",
                                      rows)) {
    return failure;
  }
  for (const sql::Row& row : rows) {
    if (row[0] == "Threads_running") load.threads_running = value_of(row[1]);
    if (row[0] != "Innodb_row_lock_time") continue;
    // Milliseconds that sessions have waited, told when a wait is over. A server that was started
    // again counts from nothing.
    const int64_t waited_ms = value_of(row[1]);
    const int64_t elapsed_ms = (now_us - looked_us_) / 1000;
    const bool is_known = looked_us_ != 0 && elapsed_ms > 0 && waited_ms >= waited_ms_;
    load.lock_waits = is_known ? (waited_ms - waited_ms_ + elapsed_ms / 2) / elapsed_ms : 0;
    waited_ms_ = waited_ms;
    looked_us_ = now_us;
  }
  load.replicas = replicas_.read();
  return std::nullopt;
}

}  // namespace sluice::flusher
