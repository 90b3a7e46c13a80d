#include "sql/session.h"

#include <algorithm>
#include <set>
#include <string_view>
#include <vector>

#include "sql/connection.h"

namespace sluice::sql {
namespace {

constexpr unsigned long kMariadbRenamed = 11'01'00;  // tx_isolation became transaction_isolation
constexpr std::string_view kLockWait = "";           // stands for SessionOptions::lock_wait_s

enum class Server { kAny, kMariadb, kMysql };

struct Setting {
  std::string_view name, value;
  Server server = Server::kAny;
};

// Literals are utf8mb4, times are UTC, values that do not fit are refused,
// a SELECT returns all there is, a transaction ends when it is told to, and no wait is longer than
// the connection's.
constexpr Setting kSettings[] = {
    {"autocommit", "0"},
    {"character_set_client", "utf8mb4"},
    {"character_set_results", "utf8mb4"},
    {"collation_connection", "utf8mb4_general_ci"},
    {"time_zone", "+00:00"},
    {"sql_mode",
     "STRICT_ALL_TABLES,NO_ZERO_DATE,NO_ZERO_IN_DATE,ERROR_FOR_DIVISION_BY_ZERO,"
     "NO_ENGINE_SUBSTITUTION"},
    {"completion_type", "NO_CHAIN"},
    {"sql_select_limit", "18446744073709551615"},
    {"max_join_size", "18446744073709551615"},
    {"sql_big_selects", "1"},
    {"sql_safe_updates", "0"},
    {"sql_auto_is_null", "0"},
    {"foreign_key_checks", "1"},
    {"unique_checks", "1"},
    {"innodb_lock_wait_timeout", kLockWait},
    {"lock_wait_timeout", kLockWait},
    {"check_constraint_checks", "1", Server::kMariadb},
    {"max_statement_time", "0", Server::kMariadb},
    {"max_execution_time", "0", Server::kMysql},
};

// SET TRANSACTION knows these by other words than their variables have.
constexpr std::string_view kTransaction =
    "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ WRITE";

std::vector<Setting> settings_of(const SessionOptions& options, const std::string& lock_wait) {
  std::vector<Setting> settings;
  for (Setting setting : kSettings) {
    const bool is_theirs = setting.server == Server::kAny ||
                           (setting.server == Server::kMariadb) == options.is_mariadb;
    if (!is_theirs) continue;
    if (setting.value == kLockWait) setting.value = lock_wait;
    settings.push_back(setting);
  }
  return settings;
}

bool is_number(std::string_view text) {
  return text.find_first_not_of("0123456789") == std::string_view::npos;
}

std::set<std::string_view> words_of(std::string_view list) {
  std::set<std::string_view> words;
  while (!list.empty()) {
    const std::string_view word = list.substr(0, list.find(','));
    list.remove_prefix(std::min(word.size() + 1, list.size()));
    words.insert(word);
  }
  return words;
}

// Servers print 0 as 0.000000 where a fraction is possible, and lists in an order of their own.
bool is_same(std::string_view is, std::string_view should) {
  if (is_number(should)) is = is.substr(0, is.find('.'));
  return words_of(is) == words_of(should);
}

}  // namespace

std::optional<Failure> wait_for_the_cluster(Connection& connection) {
  std::vector<Row> rows;
  if (auto failure = connection.query("SHOW VARIABLES LIKE 'wsrep_on'", rows)) return failure;
  if (rows.empty() || rows[0][1] != "ON") return std::nullopt;
  return connection.exec("SET SESSION wsrep_sync_wait = 1");
}

std::optional<Failure> set_up_session(Connection& connection, const SessionOptions& options) {
  const std::string lock_wait = std::to_string(options.lock_wait_s);
  std::vector<Setting> settings = settings_of(options, lock_wait);
  std::string set = "SET ";
  for (const Setting& setting : settings) {
    if (&setting != settings.data()) set += ", ";
    set += std::string(setting.name) + " = ";
    if (is_number(setting.value)) {
      set += setting.value;
    } else {
      append_quoted(set, setting.value);
    }
  }
  if (auto failure = connection.exec(set)) return failure;
  if (auto failure = connection.exec(kTransaction)) return failure;

  const bool is_old = options.is_mariadb && options.version < kMariadbRenamed;
  settings.push_back({is_old ? "tx_isolation" : "transaction_isolation", "REPEATABLE-READ"});
  settings.push_back({is_old ? "tx_read_only" : "transaction_read_only", "0"});
  std::string read = "SELECT ";
  for (const Setting& setting : settings) {
    if (&setting != settings.data()) read += ", ";
    read += "@@" + std::string(setting.name);
  }
  std::vector<Row> rows;
  if (auto failure = connection.query(read, rows)) return failure;
  for (size_t i = 0; i < settings.size(); ++i) {
    const std::string is = rows.empty() ? "" : rows[0][i].value_or("NULL");
    if (is_same(is, settings[i].value)) continue;
    return Failure{FailureKind::kOther, 0,
                   "the session's " + std::string(settings[i].name) + " is \"" + is +
                       "\" although it was set to \"" + std::string(settings[i].value) +
                       "\": something between here and the server changes what is sent"};
  }
  return std::nullopt;
}

}  // namespace sluice::sql
