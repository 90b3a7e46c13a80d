// What `sluice-ctl reconcile` compares: one Redis, one database, and the journals of all proxies
// that sell through them. Read from the daemons' own configuration files.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/config.h"
#include "base/error.h"
#include "ctl/config_file.h"
#include "orders/order_table.h"
#include "sql/connection.h"

namespace sluice::ctl {

struct JournalSource {
  std::string dir;
  uint32_t lane = 0;  // proxy.id
  bool is_lane_known = true;  // it is configured, or the folder tells it
};

struct Sources {
  RedisTarget redis;
  sql::ConnectOptions mysql;
  orders::OrderTable orders;
  std::vector<JournalSource> journals;
};

// kInvalid: a file that cannot be read, that is of no known kind, that contradicts another one, or
// a kind that is missing. Says which file and what to do.
Result<Sources> read_sources(const std::vector<std::string>& paths,
                             const base::Config::Overrides& overrides);

}  // namespace sluice::ctl
