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
// so; options.orders learns what the live one is like. kUnavailable: may pass, try again; the
// message says what to do. `told`: what the log has been told of the schema.
Status open_database(Options& options, sql::Connection& connection, std::vector<std::string>& told);

// Registers the journal, claims its checkpoints and returns positions by writer. As many as
// batch.writers; or as many as an earlier run had, if that stopped with its writers at different
// positions: drain up to the highest of them, then call again. Errors: as register_journal().
// Sets key.owner_before.
Result<std::vector<uint64_t>> load_positions(sql::Connection& connection, CheckpointKey& key,
                                             uint32_t writers, const JournalFolder& folder);

}  // namespace sluice::flusher
