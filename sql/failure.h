// What a MySQL or MariaDB server can answer instead of doing what it was asked, sorted by what the
// caller must do about it.
//
// Codes: https://mariadb.com/kb/en/mariadb-error-code-reference/ and
// https://dev.mysql.com/doc/mysql-errors/8.0/en/server-error-reference.html; 2000–2999 and 5000–
// 5999 come from Connector/C itself.
#pragma once

#include <string>
#include <string_view>

#include "base/error.h"

namespace sluice::sql {

enum class FailureKind {
  kDeadlock,        // the server has rolled the transaction back; run it again
  kLockWait,        // only the statement was rolled back: ROLLBACK, run the transaction again
  kConnectionLost,  // whether the last statement ran is not known; connect again
  kRefusedData,     // this value or row will never be taken; also what a trigger signals
  kDuplicate,       // a row with this key is there already
  // Over max_allowed_packet, after which the server closes the connection, or over what a cluster
  // takes in one transaction.
  kTooLarge,
  kReadOnly,  // the server takes no writes for now
  kFull,      // disk or table full
  // No such database, table, column or partition, or a column of the user's that we leave out: no
  // row goes in until somebody changes that.
  kSchemaMissing,
  kRefusesAll,    // found out here: not this row or that is refused, but any
  kAccessDenied,  // user, password or privileges
  kServerTooOld,  // not MariaDB 10.6 or MySQL 8.0, or newer
  kOther,
};

// MariaDB's ER_BINLOG_NON_SUPPORTED_BULK: its binary log takes statements, not rows.
constexpr unsigned kBulkNotReplicated = 4033;
constexpr unsigned kNoSuchTable = 1146;

// One word for metrics and status: "deadlock", "lock_wait", "connection", …
std::string_view kind_name(FailureKind kind);

// `state`: the SQLSTATE. Of a class of the user's own (45xxx) the number, which is his too, says
// nothing. `message`: counts only where one number stands for things that need different answers.
FailureKind kind_of(unsigned code, std::string_view state = {}, std::string_view message = {});

struct [[nodiscard]] Failure {
  FailureKind kind;
  unsigned code;        // 0: found out here, not told by the server
  std::string message;  // the server's own words

  // "MySQL error 1213: Deadlock found …"
  std::string text() const;
  // As an operating error: kUnavailable if it may pass by itself, else kRefused.
  Error error() const;
};

}  // namespace sluice::sql
