// Whichever server stands behind refuses in its own words and by its own rules: commands about the
// client's connection, which the proxy carries out itself, are first put to the server in a form
// that has no effect there, and which it refuses exactly if it would refuse the command.
//
//   CLIENT KILL TYPE x           ─► CLIENT KILL LADDR - TYPE x     nobody's address
//   CLIENT PAUSE 1000 FOO        ─► CLIENT PAUSE 0 FOO
//   CLIENT SETNAME "my name"     ─► CLIENT SETNAME "a b"
//   HELLO 3 AUTH ann secret FOO  ─► HELLO 3 FOO "" "" ""           no option of any server
//
// What is right by the rules that all servers share is not asked, nor are filters of more than 64
// KiB. No sockets.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "proxy/front/args.h"
#include "proxy/front/clients.h"

namespace sluice::proxy::front {

using Inquiry = std::vector<std::string>;

// Of a subcommand that is answered here. Empty: there is nothing to ask.
Inquiry client_inquiry(Args args, const Clients& clients);
// Whether it is right by the rules that all servers share; of LIST and KILL see ClientFilter.
bool client_is_right(Args args);
// Of a HELLO whose form is wrong: the server refuses it.
Inquiry hello_inquiry(Args args);
// Of an AUTH with too many arguments: the server refuses it. No password leaves the proxy.
Inquiry auth_inquiry();

// Whether that is how a server refuses what it was asked about: not an error that only means that
// the proxy's own user may not ask.
bool refuses(std::string_view reply);

// As Redis has it: of a client or of its library.
bool is_plain_name(std::string_view name);
// A timeout of CLIENT PAUSE, of so long at the most.
constexpr int64_t kPauseMsMax = INT64_MAX / 2000;
bool parse_pause_ms(std::string_view text, int64_t& ms);

}  // namespace sluice::proxy::front
