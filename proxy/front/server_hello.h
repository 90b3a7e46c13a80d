// What the server behind says of itself in its answer to HELLO: name, version, mode, role, modules
// and whatever it adds to them. The proxy's own answers to HELLO are made of it; only the protocol
// and the number of the connection are the client's. Immutable; no sockets.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace sluice::proxy::front {

class ServerHello {
 public:
  // `reply`: the server's whole answer to HELLO, of either protocol. kRefused: an error, its text
  // as it came; kInvalid: it is not the answer to HELLO.
  static Result<ServerHello> parse(std::string_view reply);

  // As the server would answer a client of this protocol whose connection has this number.
  std::string reply(int protocol, int64_t id) const;

 private:
  struct Field {
    std::string name;
    std::string value2, value3;  // RESP2, RESP3: whole values
  };

  std::vector<Field> fields_;
};

}  // namespace sluice::proxy::front
