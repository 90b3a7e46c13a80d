// What the SECKILL commands reply and cost, for people: of each command in command.h one row, which
// docs/commands.md is made of (scripts/docs). Nothing that sells reads it.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "proxy/sale/command.h"

namespace sluice::proxy::sale {

struct CommandDocs {
  CommandKind kind;
  std::string_view complexity;
  std::string_view arguments;  // their limits and defaults; "": it has none, or none to explain
  struct Reply {
    std::string_view shape;  // "[\"OK\", remaining]", "-EXISTS"
    std::string_view meaning;
  };
  std::vector<Reply> replies;  // what is its own; what every command may reply is not among them
};

// A command without a row is a bug (asserts).
const CommandDocs& docs_of(CommandKind kind);

// For base::CommandLine::describes(): "verb", name, syntax, summary, arguments, complexity,
// "writes" or ""; after each its replies: "reply", shape, meaning.
std::vector<std::vector<std::string>> command_facts();

}  // namespace sluice::proxy::sale
