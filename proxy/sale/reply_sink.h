// Where the sale sends the reply of one SECKILL command: the client's session, seen from below.
#pragma once

#include <cstdint>
#include <string>

namespace sluice::proxy::sale {

// Implemented by front/session. Kept alive by the sale (shared_ptr) until each of its tokens is
// answered; a session whose client has gone just drops the bytes.
class ReplySink {
 public:
  virtual ~ReplySink() = default;

  // The whole RESP reply (the same bytes in RESP2 and RESP3) of the command that was submitted
  // with `token`. Called exactly once a token, on the I/O thread that submitted it, possibly
  // before execute() returns.
  virtual void deliver(uint64_t token, std::string_view reply) = 0;
};

}  // namespace sluice::proxy::sale
