// Adds the proxy's part to what Redis says about itself: the "# Sluice" section of INFO, and the
// SECKILL commands in COMMAND. Each function takes one whole reply of Redis and returns the
// client's; a reply of another shape than expected (an error, say) comes back as it is.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace sluice::proxy::front {

// `section` with its "# Sluice" header line.
std::string add_info_section(std::string_view reply, std::string_view section);
std::string with_header(std::string_view section_lines);

// What to do to the reply of one COMMAND call. `args` are those of the call.
enum class CommandRewrite { kNone, kCount, kInfo, kInfoOfNames, kDocs, kDocsOfNames, kNames };
CommandRewrite command_rewrite(std::span<const std::string_view> args);
// `names` are the arguments behind COMMAND INFO or COMMAND DOCS.
std::string add_commands(CommandRewrite what, std::span<const std::string> names,
                         std::string_view reply, int protocol);


// Adds to an array of names, as ACL CAT answers.
std::string append_names(std::string_view reply, std::span<const std::string_view> names);

}  // namespace sluice::proxy::front
