// The configuration keys that say where MySQL is and as whom to log in: the flusher's, and those
// that sluice-ctl reads of the flusher's file.
#pragma once

#include <vector>

#include "base/config.h"
#include "base/error.h"
#include "sql/connection.h"

namespace sluice::sql {

std::vector<base::ConfigKey> connection_keys();

// Of a config with connection_keys(); reads the password file. Errors begin with the key.
Result<ConnectOptions> connect_options(const base::Config& config);

}  // namespace sluice::sql
