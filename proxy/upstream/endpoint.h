// How to reach one Redis: address, credentials, limits. Constant after start-up.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/secret.h"
#include "net/tls_context.h"

namespace sluice::proxy::upstream {

struct Endpoint {
  std::string host;  // or, if it starts with '/', the path of a unix socket
  uint16_t port = 6379;
  std::string username;  // "" : the default user
  std::shared_ptr<base::Secret> secret;  // null: no AUTH
  std::shared_ptr<net::TlsContext> tls;  // null: in clear
  int64_t connect_timeout_us = 2'000'000;
  int64_t reply_timeout_us = 5'000'000;  // a connection that stays silent this long is given up
  int64_t reconnect_delay_us = 100'000;       // first delay; doubles up to the maximum
  int64_t reconnect_delay_max_us = 1'000'000;

  // Of now; "" : no AUTH.
  std::string password() const { return secret == nullptr ? "" : secret->value(); }
  // Redis refuses it: perhaps there is another one by now, for the next attempt.
  void password_refused() const {
    if (secret != nullptr) static_cast<void>(secret->reload_and_tell());
  }

  std::string text() const { return port == 0 ? host : host + ":" + std::to_string(port); }
};

// What may be told of Redis's error reply to a login: of a command that it does not know (renamed,
// or too old) it repeats the arguments, and the password is one.
std::string login_refusal(std::string_view error);

}  // namespace sluice::proxy::upstream
