// Writes a journal from what is proven: first all that MySQL has, then what it lacks. Creations are
// all among the first: another lane's replay may wait for one of them, and this one for it, so that
// none must stand behind what waits. The rows of those that MySQL lacks are made with the
// journal's registration.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "base/error.h"
#include "ctl/evidence.h"

namespace sluice::ctl {

struct NewJournal {
  uint64_t journal_id = 0;
  uint64_t incarnation = 0;
  // All records below it are in MySQL; and the journal's fingerprint of these.
  uint64_t position = 1;
  uint64_t fingerprint = 0;
  uint64_t records = 0;
  uint64_t to_drain_orders = 0;  // that MySQL lacks
  uint64_t without_fields = 0;   // of these, known only by Redis, which has no FIELDS
  std::map<std::string, MysqlItem> rows;  // that MySQL lacks, or that lack their creation
};

// Into `dir`, which is empty or not there. `proxy_id` writes it, and sells on with it.
Result<NewJournal> write_journal(const std::string& dir, uint32_t proxy_id,
                                 const Evidence& evidence);

}  // namespace sluice::ctl
