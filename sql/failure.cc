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
    case FailureKind::kAccessDenied:
      return "access";
    case FailureKind::kServerTooOld:
      return "server_too_old";
    case FailureKind::kOther:
      return "other";
  }
  return "other";
}

FailureKind kind_of(unsigned code) {
  switch (code) {
    case 1213:  // deadlock found
    case 1614:  // XA: deadlock
      return FailureKind::kDeadlock;
    case 1205:  // lock wait timeout
    case 3572:  // NOWAIT
      return FailureKind::kLockWait;
    case 1040:  // too many connections
    case 1053:  // server shutdown in progress
    case 1077:
    case 1079:  // normal shutdown
    case 1080:  // forced close of this thread
    case 1152:
    case 1158:
    case 1159:
    case 1160:
    case 1161:
    case 1184:  // packets cut short
    case 1129:  // host is blocked
    case 1203:
    case 1226:  // too many connections of this user
    case 1317:  // query execution was interrupted (KILL QUERY)
    case 1927:  // connection was killed
    case 1969:
    case 3024:  // statement time limit
    case 3159:
    case 4031:  // MySQL: TLS required; disconnected for inactivity
      return FailureKind::kConnectionLost;
    case 1048:  // column cannot be null
    case 1264:
    case 1265:
    case 1292:
    case 1366:
    case 1367:
    case 1406:
    case 1411:  // values
    case 1300:
    case 3854:
    case 3988:  // character sets
    case 1216:
    case 1452:  // foreign key
    case 1526:  // no partition for the value
    case 1644:  // SIGNAL, in somebody's trigger
    case 1690:  // out of range in an expression
    case 3140:
    case 3141:
    case 3156:
    case 3157:  // JSON
    case 3819:
    case 4025:  // CHECK (MySQL, MariaDB)
    case 4038:
    case 4041:  // JSON (MariaDB)
      return FailureKind::kRefusedData;
    case 1022:
    case 1062:
    case 1169:
    case 1586:
    case 1859:
      return FailureKind::kDuplicate;
    case 1153:  // packet too large
    case 1162:
    case 1301:  // result longer than max_allowed_packet
    case CR_NET_PACKET_TOO_LARGE:
      return FailureKind::kTooLarge;
    case 1036:  // table is read only
    case 1290:  // --read-only
    case 1792:  // READ ONLY transaction
    case 1836:  // read only mode
    case 1874:  // InnoDB is in read only mode
    case 3100:  // a replication hook refused
      return FailureKind::kReadOnly;
    case 3:     // error writing file
    case 1021:  // disk full
    case 1026:  // error writing file
    case 1114:  // table is full
    case 1137:  // tmp table full
    case 1534:  // binary log write
      return FailureKind::kFull;
    case 1049:
    case 1051:
    case 1054:
    case 1146:  // database, table, column
    case 1136:
    case 1364:  // a column count or a column without default that we do not know
    case 1347:  // not a table
      return FailureKind::kSchemaMissing;
    case 1044:
    case 1045:
    case 1142:
    case 1143:
    case 1227:
    case 1370:
    case 1698:
    case 1862:
      return FailureKind::kAccessDenied;
    case 1130:
      return FailureKind::kAccessDenied;  // this host may not connect
    default:
      break;
  }
  // The client's own errors: except for misuse of the library (CR_OUT_OF_MEMORY and above are
  // answered the same way) the connection is of no use any more.
  const bool client = (code >= 2000 && code <= 2999) || (code >= 5000 && code <= 5999);
  return client ? FailureKind::kConnectionLost : FailureKind::kOther;
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
