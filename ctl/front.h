// The proxy as its clients reach it: where it listens, and what it tells of its items.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/command_line.h"
#include "base/error.h"
#include "ctl/redis_connection.h"

namespace sluice::ctl {

struct FrontOptions {
  std::string address, user, password_file;
  std::string tls_ca_file, tls_cert_file, tls_key_file;
};

// --address, --user, --password-file and the TLS files. `options` must outlive the parsing.
void add_front_options(base::CommandLine& line, FrontOptions& options);

// --address, or else where the proxy of this file listens ("": where one does by default).
// kInvalid: a file that cannot be read, or an address that is none.
Result<RedisTarget> front_target(const std::string& config, const FrontOptions& options);

// The name/value pairs of SECKILL.STOCK, in their order.
using Stock = std::vector<std::pair<std::string, std::string>>;
// "-" if it is not there.
std::string value_in(const Stock& stock, std::string_view name);

// The names of all items.
Result<std::vector<std::string>> list_items(RedisConnection& proxy);
// Of these items; those that are not there are left out.
Result<std::vector<Stock>> read_stocks(RedisConnection& proxy, std::span<const std::string> names);

}  // namespace sluice::ctl
