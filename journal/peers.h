// The file `peers` beside a journal: the proxies that may have sold through the same Redis, one a
// line, with a CRC32C. Not part of the journal.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "base/error.h"
#include "base/file.h"

namespace sluice::journal {

using Peers = std::map<uint64_t, std::string>;  // proxy.id → journal id, without the folder's own

// None if there is no such file. kCorrupt: it is damaged.
Result<Peers> read_peers(const std::string& dir, base::FileSystem& fs);
// Durable when it returns, and whole or not there at any moment.
Status write_peers(const std::string& dir, base::FileSystem& fs, const Peers& peers);

}  // namespace sluice::journal
