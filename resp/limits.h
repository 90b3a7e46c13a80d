// The bounds of one request, checked before anything is allocated for it.
#pragma once

#include <cstdint>

namespace sluice::resp {

struct RequestLimits {
  int64_t arguments_max = 1024 * 1024;             // of one command
  int64_t bulk_bytes_max = 512 * 1024 * 1024;      // of one argument; Redis: proto-max-bulk-len
  int64_t line_bytes_max = 64 * 1024;              // an inline command or a header line
  // Of a client that has yet to log in: enough for AUTH and HELLO.
  int64_t login_arguments_max = 10;
  int64_t login_bulk_bytes_max = 16 * 1024;
};

}  // namespace sluice::resp
