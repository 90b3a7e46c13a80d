// The admin listeners that an operator's command asks: which ones, and one request to each.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/command_line.h"
#include "base/error.h"
#include "ctl/config_file.h"
#include "http/server.h"

namespace sluice::ctl {

struct AdminTarget {
  ConfigKind kind;
  std::string url;    // "http://127.0.0.1:9479"
  std::string token;  // for POST; "": none
};

// As they stand on a command line.
struct AdminOptions {
  std::vector<std::string> configs, proxies, flushers;
  std::string token_file;
};

// --config, --proxy, --flusher and --token-file. `options` must outlive the parsing.
void add_admin_options(base::CommandLine& line, AdminOptions& options);

// Those named; if none is, a proxy and a flusher at the addresses that they have by default.
// kInvalid: a file that cannot be read, or that has no admin listener.
Result<std::vector<AdminTarget>> admin_targets(const AdminOptions& options);

// "proxy" or "flusher".
std::string_view word_of(ConfigKind kind);

// kUnavailable: it does not answer. Any answer of HTTP is a response.
Result<http::Response> ask(const AdminTarget& target, std::string_view method,
                           std::string_view path, int64_t timeout_ms);

// The "error" or "reason" of a JSON answer, or else its text.
std::string words_of(const http::Response& response);

}  // namespace sluice::ctl
