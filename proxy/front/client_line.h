// The line by which CLIENT LIST and CLIENT INFO describe a client. Which fields it has, and in
// which order, is learned from the line by which the server describes the proxy's own connection;
// the values are the proxy's. Immutable; no sockets.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace sluice::proxy::front {

struct Client;

class ClientLine {
 public:
  // As long as no server has been asked: the fields that every one of them has.
  ClientLine();

  // `reply`: a server's whole answer to CLIENT INFO. kInvalid: it is no such line.
  static Result<ClientLine> learn(std::string_view reply);

  // With its line end. What Redis counts and the proxy does not have is 0; other fields that the
  // proxy does not know have the value that they had for its own connection. `command` is the
  // client's last one.
  std::string of(const Client& client, std::string_view command, int64_t now_us) const;

 private:
  struct Field {
    std::string name;
    std::string otherwise;  // the value if the proxy has none
  };

  explicit ClientLine(std::vector<Field> fields) : fields_(std::move(fields)) {}
  static std::vector<Field> read(std::string_view line);

  std::vector<Field> fields_;
};

}  // namespace sluice::proxy::front
