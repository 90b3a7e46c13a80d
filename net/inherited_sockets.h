// Listening sockets that the process was started with, by systemd's protocol (sd_listen_fds(3)):
// LISTEN_FDS of them from descriptor 3 on, meant for the process LISTEN_PID, with their names in
// LISTEN_FDNAMES. Such a socket outlives the process: while none accepts, connections wait in its
// queue, and nobody is refused.
#pragma once

#include <string>
#include <vector>

#include "base/error.h"

namespace sluice::net {

struct InheritedSocket {
  int fd = -1;
  std::string name;  // of LISTEN_FDNAMES; "" if it has none
  bool is_unix = false;
  std::string address;  // what it is bound to: "127.0.0.1:6479", "[::1]:6479", or a path
};

// Takes the variables out of the environment, so that no child takes the sockets for its own, and
// closes the descriptors on exec. Empty: none were passed to this process. kInvalid: one of them is
// no stream socket that listens, or the variables are malformed. Once, before threads are started.
Result<std::vector<InheritedSocket>> take_inherited_sockets();

}  // namespace sluice::net
