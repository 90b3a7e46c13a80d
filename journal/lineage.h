// Which journals this one has taken the history over from (sluice-ctl journal adopt): the file
// `predecessors`, an id a line. What an older Redis still has of one of them is this journal's
// past, and is made anew from it.
#pragma once

#include <cstdint>
#include <set>
#include <string>

#include "base/error.h"
#include "base/file.h"

namespace sluice::journal {

// Durable when it returns.
Status set_predecessors(const std::string& dir, base::FileSystem& fs,
                        const std::set<uint64_t>& journal_ids);
// None if there is no such file. kCorrupt: it holds something else.
Result<std::set<uint64_t>> predecessors(const std::string& dir, base::FileSystem& fs);

}  // namespace sluice::journal
