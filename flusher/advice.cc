#include "flusher/advice.h"

namespace sluice::flusher {

std::string advice(const sql::Failure& failure) {
  using sql::FailureKind;
  if (failure.code == 1526 || failure.code == 1748) {
    return "; waiting until somebody adds the partition";
  }
  if (failure.code == 1047) return "; waiting until the node is part of its cluster again";
  if (failure.code == 1105) return "; it is cut: batch.rows is too high for wsrep_max_ws_size";
  if (failure.code == 3100) {
    return "; a hook of the server refuses: see what group replication says in its log";
  }
  switch (failure.kind) {
    case FailureKind::kSchemaMissing:
      return "; run `sluice-ctl schema apply`, or compare the tables with `sluice-ctl schema "
             "print`";
    case FailureKind::kRefusesAll:
      return "; waiting until somebody has changed that";
    case FailureKind::kReadOnly:
      return "; waiting until the server takes writes again";
    case FailureKind::kFull:
      return "; waiting until there is room";
    case FailureKind::kAccessDenied:
      return "; check mysql.user, mysql.password_file and the user's grants";
    case FailureKind::kTooLarge:
      return "; raise max_allowed_packet on the server";
    case FailureKind::kServerTooOld:
      return "";
    default:
      return "";
  }
}

}  // namespace sluice::flusher
