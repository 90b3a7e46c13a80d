// ACL: the users of the proxy as Redis would show its own. Reading works as there; who the users
// are is written in their file alone, so SETUSER, DELUSER and SAVE are refused and name it.
#pragma once

#include <string_view>

#include "proxy/front/access.h"
#include "proxy/front/connection_commands.h"

namespace sluice::proxy::front {

// `user` is who asks. Only with users configured.
LocalReply acl_command(Args args, const Access& access, std::string_view user, int protocol);

}  // namespace sluice::proxy::front
