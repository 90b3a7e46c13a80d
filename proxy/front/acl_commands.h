// ACL: the users of the proxy as Redis would show its own. Reading works as there; who the users
// are is written in their file alone, so SETUSER, DELUSER and SAVE are refused and name it. The
// server itself answers what it refuses whoever the users are (an unknown subcommand, a wrong
// number of arguments) and what does not depend on them (CAT, GENPASS, HELP).
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "proxy/front/access.h"
#include "proxy/front/connection_commands.h"

namespace sluice::proxy::front {

// Who asks.
struct AclAsker {
  std::string_view user;
  int protocol = 2;
  int64_t database = 0;  // selected; within MULTI the one that is selected there
};

struct AclAnswer {
  enum class Place {
    kHere,    // `bytes` is the reply
    kServer,  // the server answers
  } place = Place::kHere;
  std::string bytes;  // kServer: what it gets in place of the command; "": the command as it came
  // kServer: makes the client's reply of the server's; null: it is the same.
  std::function<std::string(std::string_view reply)> rewrite;
};

// Only with users configured. ACL LOAD loads.
AclAnswer acl_command(Args args, const Access& access, const AclAsker& asker);

}  // namespace sluice::proxy::front
