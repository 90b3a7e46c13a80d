// Who may ask the admin listener for what: Host, Origin and bearer token.
//
// Reading (GET) is open to whoever can connect; changing something (POST) needs the token, or a
// listener on loopback without one. Host and Origin are checked on every request, because a web
// page in an operator's browser can reach loopback too: a page's own requests carry its Origin, and
// a page that rebinds its DNS name to 127.0.0.1 carries that name as Host.
//
//   listener        Host accepted
//   loopback        localhost, a loopback literal, or the listener's own address
//   other, no token the above, or any IP literal (rebinding needs a name)
//   other, token    any: names in front of it (proxies, DNS) are the operator's business
//
// Each of these headers is sent once, or not at all: another program on the way may go by another
// one of two (session.cc refuses it with 400).
//
// The port of Host is not compared: it differs behind a port forwarding, and proves nothing.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"

namespace sluice::http {

struct AccessPolicy {
  std::string listen_host;  // as configured: "127.0.0.1", "0.0.0.0", "db7.example"
  bool loopback = true;     // what the listener is really bound to
  std::string token;        // blanks around it do not count; "": none
};

// The headers that decide; empty: not sent.
struct Credentials {
  std::string_view method;
  std::string_view host;
  std::string_view origin;
  std::string_view authorization;
};

struct Refusal {
  int status;
  std::string message;
};

std::optional<Refusal> check_access(const AccessPolicy& policy, const Credentials& credentials);

// Compares without telling by its duration where the difference is.
bool constant_time_equal(std::string_view a, std::string_view b);

// "host:port", "[v6]:port" → its two parts. kInvalid with what to write instead.
struct HostPort {
  std::string host;
  std::string port;
};
Result<HostPort> parse_host_port(std::string_view address);

}  // namespace sluice::http
