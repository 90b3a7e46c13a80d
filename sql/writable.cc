#include "sql/writable.h"

#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "sql/connection.h"

namespace sluice::sql {
namespace {

constexpr std::array<std::string_view, 3> kSwitches = {"read_only", "innodb_read_only",
                                                       "super_read_only"};  // the last: MySQL's
constexpr std::array<std::string_view, 3> kNodeStates = {"wsrep_cluster_status", "wsrep_ready",
                                                         "wsrep_connected"};

Failure takes_none(Connection& connection, const std::string& why) {
  connection.close();
  return {FailureKind::kReadOnly, 0, connection.server() + " takes no writes: " + why};
}

// Of a node of a Galera cluster; most statements are refused by one without a quorum.
std::optional<Failure> check_node(Connection& connection) {
  std::vector<Row> rows;
  if (auto failure = connection.query("SHOW GLOBAL VARIABLES LIKE 'wsrep_on'", rows))
    return failure;
  if (rows.empty() || rows[0][1] != "ON") return std::nullopt;
  if (auto failure = connection.query("SHOW GLOBAL STATUS LIKE 'wsrep_%'", rows)) return failure;
  for (const Row& row : rows) {
    for (const std::string_view name : kNodeStates) {
      if (row[0] != name) continue;
      const std::string is = row[1].value_or("");
      if (is == "ON" || is == "Primary") continue;
      return takes_none(connection,
                        std::string(name) + " is " + is +
                            ", so the node is no part of its Galera cluster, or not yet");
    }
  }
  return std::nullopt;
}

}  // namespace

std::optional<Failure> check_takes_writes(Connection& connection) {
  if (connection.is_mariadb()) {
    if (auto failure = check_node(connection)) return failure;
  }
  const size_t count = kSwitches.size() - (connection.is_mariadb() ? 1 : 0);
  std::string read = "SELECT ";
  for (size_t i = 0; i < count; ++i) {
    read += (i == 0 ? "@@GLOBAL." : ", @@GLOBAL.") + std::string(kSwitches[i]);
  }
  std::vector<Row> rows;
  if (auto failure = connection.query(read, rows)) return failure;
  if (rows.empty()) return Failure{FailureKind::kOther, 0, "no answer to " + read};
  for (size_t i = 0; i < count; ++i) {
    const std::string is = rows[0][i].value_or("");
    if (is == "0" || is == "OFF") continue;
    return takes_none(connection, std::string(kSwitches[i]) + " is " + (is == "1" ? "ON" : is));
  }
  return std::nullopt;
}

}  // namespace sluice::sql
