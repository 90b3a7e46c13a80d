// What recovery owes after a crash, checked on one state of the disk.
#pragma once

#include <cstdint>
#include <string>

#include "sim_file_system.h"
#include "workload.h"

namespace sluice::crash {

// Recovers the journal and checks that
//   - recovery does not refuse it, and all up to `promised` is there;
//   - batches are whole, every record is what was submitted, nothing is missing or there twice,
//     but for records of retired items, which a snapshot may leave out;
//   - order ids go on above all that survived.
// Returns the last surviving sequence in `last`; empty, or what is wrong.
std::string check_recovery(SimFileSystem& fs, const Submitted& submitted, uint64_t promised,
                           uint64_t& last);

// Starts the journal, appends a record behind `last` and reads it back after another recovery.
std::string check_second_start(SimFileSystem& fs, uint64_t last);

}  // namespace sluice::crash
