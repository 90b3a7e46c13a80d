// The SECKILL commands as COMMAND, COMMAND INFO and COMMAND DOCS describe them.
#pragma once

#include <string>
#include <string_view>

#include "proxy/sale/command.h"

namespace sluice::proxy::front {

// `name` is the form that the client asked for.
void append_command_info(std::string& out, const sale::CommandSpec& spec, std::string_view name,
                         int protocol);
void append_command_docs(std::string& out, const sale::CommandSpec& spec, std::string_view name,
                         int protocol);

}  // namespace sluice::proxy::front
