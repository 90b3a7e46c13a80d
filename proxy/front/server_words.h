// The words in which the server at hand refuses what an ACL forbids. The proxy judges its users
// itself, so these refusals cannot be left to the server as others are; which words it uses was
// observed at connect (upstream/server_users.h). No other place words them. No sockets.
#pragma once

#include <string>
#include <string_view>

#include "proxy/front/permission.h"
#include "proxy/upstream/server_users.h"

namespace sluice::proxy::front {

// The error that a command gets, without its dash: "NOPERM No permissions to access a key"; "" if
// it is allowed. `command` is its full name ("config|get").
std::string denial(const upstream::ServerUsers& server, std::string_view user,
                   const Verdict& verdict, std::string_view command);

// What ACL DRYRUN says of it; "" if it is allowed. `args` are those of the command that is tried.
std::string dry_run_denial(const upstream::ServerUsers& server, std::string_view user,
                           const Verdict& verdict, std::string_view command, Args args);

// The error of a HELLO before the login, without its dash. (It was reworded with the denials.)
std::string hello_before_login(const upstream::ServerUsers& server);

}  // namespace sluice::proxy::front
