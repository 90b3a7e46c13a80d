// From a journal and a MySQL server to checkpoints that fit both.
//
// Nothing is drained before all of this holds: the tables are there and can roll back, the journal
// has not lost records that MySQL lacks, and MySQL knows the history that the journal has.
#pragma once

#include <cstdint>
#include <vector>

#include "flusher/checkpoint.h"
#include "flusher/options.h"
#include "flusher/registration.h"
#include "sql/connection.h"

namespace sluice::flusher {

// Connects `connection` and checks the tables. Missing ones are made if mysql.create_schema says
// so. kUnavailable: may pass, try again; the message says what to do.
Status open_database(const Options& options, sql::Connection& connection);

// Registers the journal, claims its checkpoints and returns positions by writer. As many as
// batch.writers; or as many as an earlier run had, if that stopped with its writers at different
// positions: drain up to the highest of them, then call again. Errors: as register_journal().
// Sets key.owner_before.
Result<std::vector<uint64_t>> load_positions(sql::Connection& connection, CheckpointKey& key,
                                             uint32_t writers, const JournalFolder& folder);

}  // namespace sluice::flusher
