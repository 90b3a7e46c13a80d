#include "sql/failure.h"

#include <errmsg.h>
#include <mysql.h>

namespace sluice::sql {

std::string_view kind_name(FailureKind kind) {
  switch (kind) {
    case FailureKind::kDeadlock:
      return "deadlock";
    case FailureKind::kLockWait:
      return "lock_wait";
    case FailureKind::kConnectionLost:
      return "connection";
    case FailureKind::kRefusedData:
      return "refused_data";
    case FailureKind::kDuplicate:
      return "duplicate";
    case FailureKind::kTooLarge:
      return "too_large";
    case FailureKind::kReadOnly:
      return "read_only";
    case FailureKind::kFull:
      return "full";
    case FailureKind::kSchemaMissing:
      return "schema";
    case FailureKind::kRefusesAll:
      return "refuses_all";
    case FailureKind::kAccessDenied:
      return "access";
    case FailureKind::kServerTooOld:
      return "server_too_old";
    case FailureKind::kOther:
      return "other";
  }
  return "other";
}

namespace {

struct ServerError {
  unsigned code;
  FailureKind kind;
};

using enum FailureKind;
constexpr ServerError kServerErrors[] = {
    {1213, kDeadlock},  // deadlock found
    {1614, kDeadlock},  // XA: deadlock
    {3101, kDeadlock},  // group replication: another member was first

    {1205, kLockWait},  // lock wait timeout
    {3572, kLockWait},  // NOWAIT

    {1040, kConnectionLost},  // too many connections
    {1053, kConnectionLost},  // server shutdown in progress
    {1077, kConnectionLost},
    {1079, kConnectionLost},  // normal shutdown
    {1080, kConnectionLost},  // forced close of this thread
    {1129, kConnectionLost},  // host is blocked
    {1152, kConnectionLost},  // 1152 to 1184: packets cut short
    {1158, kConnectionLost},
    {1159, kConnectionLost},
    {1160, kConnectionLost},
    {1161, kConnectionLost},
    {1184, kConnectionLost},
    {1203, kConnectionLost},  // too many connections of this user
    {1226, kConnectionLost},
    {1317, kConnectionLost},  // query execution was interrupted (KILL QUERY)
    {1927, kConnectionLost},  // connection was killed
    {1969, kConnectionLost},  // statement time limit
    {3024, kConnectionLost},
    {3032, kConnectionLost},  // offline mode
    {3159, kConnectionLost},  // MySQL: TLS required
    {4031, kConnectionLost},  // disconnected for inactivity

    {1048, kRefusedData},  // column cannot be null
    {1216, kRefusedData},  // foreign key
    {1452, kRefusedData},
    {1264, kRefusedData},  // 1264 to 1411: values
    {1265, kRefusedData},
    {1292, kRefusedData},
    {1366, kRefusedData},
    {1367, kRefusedData},
    {1406, kRefusedData},
    {1411, kRefusedData},
    {1300, kRefusedData},  // character sets
    {3854, kRefusedData},
    {3988, kRefusedData},
    {1644, kRefusedData},  // SIGNAL, in somebody's trigger
    {1690, kRefusedData},  // out of range in an expression
    {3140, kRefusedData},  // JSON (MySQL)
    {3141, kRefusedData},
    {3156, kRefusedData},
    {3157, kRefusedData},
    {3819, kRefusedData},  // CHECK (MySQL)
    {4025, kRefusedData},  // CHECK (MariaDB)
    {4038, kRefusedData},  // JSON (MariaDB)
    {4041, kRefusedData},

    {1022, kDuplicate},
    {1062, kDuplicate},
    {1169, kDuplicate},
    {1586, kDuplicate},
    {1859, kDuplicate},

    {1153, kTooLarge},  // packet too large
    {1162, kTooLarge},  // result longer than max_allowed_packet
    {1301, kTooLarge},
    {CR_NET_PACKET_TOO_LARGE, kTooLarge},

    {1036, kReadOnly},  // table is read only
    {1290, kReadOnly},  // --read-only
    {1792, kReadOnly},  // READ ONLY transaction
    {1836, kReadOnly},  // read only mode
    {1874, kReadOnly},  // InnoDB is in read only mode
    {3989, kReadOnly},  // MySQL: the database is read only
    {3100, kReadOnly},  // a replication hook refused (group replication)
    {1047, kReadOnly},  // Galera: this node is in no quorum

    {3, kFull},     // error writing file
    {1021, kFull},  // disk full
    {1026, kFull},  // error writing file
    {1114, kFull},  // table is full
    {1137, kFull},  // tmp table full
    {1534, kFull},  // binary log write

    {1049, kSchemaMissing},  // database
    {1051, kSchemaMissing},  // table
    {kNoSuchTable, kSchemaMissing},
    {1347, kSchemaMissing},  // not a table
    {1054, kSchemaMissing},  // column
    {1526, kSchemaMissing},  // no partition for the value
    {1748, kSchemaMissing},
    {1136, kSchemaMissing},  // a column count that we do not know
    {1364, kSchemaMissing},  // a column without default that we do not know

    {1044, kAccessDenied},
    {1045, kAccessDenied},
    {1130, kAccessDenied},  // this host may not connect
    {1142, kAccessDenied},
    {1143, kAccessDenied},
    {1227, kAccessDenied},
    {1370, kAccessDenied},
    {1698, kAccessDenied},
    {1820, kAccessDenied},  // the password must be changed first
    {1862, kAccessDenied},
    {3118, kAccessDenied},  // the account is locked
    {4151, kAccessDenied},
    {CR_PLUGIN_NOT_ALLOWED, kAccessDenied},  // it would show the password: sql/login.cc
};

// Numbers that say next to nothing, with the words that do; those of Galera's provider.
struct WordedError {
  unsigned code;
  std::string_view words;
  FailureKind kind;
};

constexpr WordedError kWordedErrors[] = {
    {1105, "writeset size", kTooLarge},      // wsrep_max_ws_size
    {1180, "Primary Component", kReadOnly},  // the node has lost its quorum in the midst
};

}  // namespace

FailureKind kind_of(unsigned code, std::string_view state, std::string_view message) {
  if (state.starts_with("45")) return kRefusedData;
  for (const WordedError& error : kWordedErrors) {
    if (error.code == code && message.find(error.words) != std::string_view::npos)
      return error.kind;
  }
  for (const ServerError& error : kServerErrors)
    if (error.code == code) return error.kind;
  // The client's own errors: except for misuse of the library (CR_OUT_OF_MEMORY and above are
  // answered the same way) the connection is of no use any more.
  const bool client = (code >= 2000 && code <= 2999) || (code >= 5000 && code <= 5999);
  return client ? kConnectionLost : kOther;
}

std::string Failure::text() const {
  return code == 0 ? message : "MySQL error " + std::to_string(code) + ": " + message;
}

Error Failure::error() const {
  switch (kind) {
    case FailureKind::kRefusedData:
    case FailureKind::kDuplicate:
    case FailureKind::kTooLarge:
    case FailureKind::kSchemaMissing:
    case FailureKind::kRefusesAll:
    case FailureKind::kAccessDenied:
    case FailureKind::kServerTooOld:
      return Error(ErrorClass::kRefused, text());
    case FailureKind::kFull:
      return Error(ErrorClass::kNoSpace, text());
    default:
      return Error(ErrorClass::kUnavailable, text());
  }
}

}  // namespace sluice::sql
