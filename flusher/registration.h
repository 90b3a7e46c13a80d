// Which journals drain into this MySQL: the table sluice_journal, and whether this one may.
//
// A folder is refused, before anything is claimed or changed, if MySQL knows another history of its
// journal: the fingerprint of some checkpoint is not the folder's. Then it is an older copy that
// was written on, a clone, or a part of another. It is also refused while another journal has its
// proxy.id, since both would give out the same order ids.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/file.h"
#include "flusher/checkpoint.h"
#include "journal/reader.h"
#include "sql/connection.h"

namespace sluice::flusher {

// The journal as its folder shows it.
struct JournalFolder {
  std::string dir;
  base::FileSystem& fs;
  journal::JournalExtent extent;
};

// Checks the folder against MySQL; then registers its journal and claims its checkpoints, which are
// returned by writer, in one transaction. kRefused: they do not belong together, the message says
// why and what to do (exit code 3). kUnavailable: try again.
Result<std::vector<CheckpointRow>> register_journal(sql::Connection& connection,
                                                    const CheckpointKey& key,
                                                    const JournalFolder& folder, uint32_t writers);

// The proxy was started again: its incarnation is another one. Ends the transaction.
std::optional<sql::Failure> register_incarnation(sql::Connection& connection, uint64_t journal_id,
                                                 uint64_t incarnation);

}  // namespace sluice::flusher
