// How to reach one Redis: address, credentials, limits. Constant after start-up.
#pragma once

#include <cstdint>
#include <string>

namespace sluice::proxy::upstream {

struct Endpoint {
  std::string host;  // or, if it starts with '/', the path of a unix socket
  uint16_t port = 6379;
  std::string username;  // "" : the default user
  std::string password;  // "" : no AUTH
  int64_t connect_timeout_us = 2'000'000;
  int64_t reply_timeout_us = 5'000'000;  // a connection that stays silent this long is given up
  int64_t reconnect_delay_us = 100'000;       // first delay; doubles up to the maximum
  int64_t reconnect_delay_max_us = 1'000'000;

  std::string text() const { return port == 0 ? host : host + ":" + std::to_string(port); }
};

}  // namespace sluice::proxy::upstream
