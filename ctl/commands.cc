// The table of sluice-ctl's commands: finds the one that is asked for and leaves the rest to it.
#include "ctl/commands.h"

#include <array>
#include <span>
#include <string>

#include "base/command_line.h"

namespace sluice::ctl {
namespace {

struct Command {
  const char* name;
  const char* summary;
  int (*run)(std::span<const std::string> args);
};

constexpr std::array kCommands{
    Command{"status", "what proxies and flushers do, and why; live with --watch", status_command},
    Command{"doctor", "look for what is set up wrongly, and say what to do", doctor_command},
    Command{"items", "stock, sold, remaining and state of each item", items_command},
    Command{"sale", "make the items of a sale, look at all before it, report after it",
            sale_command},
    Command{"flush", "drain into MySQL what is waiting now", flush_command},
    Command{"pause", "stop selling (intake), or draining (flush)", pause_command},
    Command{"resume", "go on with it", resume_command},
    Command{"journal", "verify or dump a journal folder", journal_command},
    Command{"peers", "list the proxies on one Redis, or give one up for good", peers_command},
    Command{"schema", "print or apply the tables that the flusher needs", schema_command},
    Command{"dlq", "list, show, retry or drop the orders that MySQL refused", dlq_command},
    Command{"reconcile", "compare Redis, the journals and MySQL; repair what the journal proves",
            reconcile_command},
    Command{"completion", "print a shell's completion script: bash, zsh or fish",
            completion_command},
    Command{"man", "print the manual page", man_command},
};

}  // namespace

int run_command(std::span<const std::string> words) {
  base::CommandLine line(
      "Operator's tool of Sluice. `sluice-ctl COMMAND --help` tells more about a command.",
      "sluice-ctl");
  line.version_flag();
  line.footer(
      "Exit codes: 0 done; 1 failed, or a difference found; 2 bad arguments; 3 damaged data.");
  for (const Command& command : kCommands) {
    line.forwarding_command(command.name, command.summary, command.run);
  }
  return line.run(words);
}

}  // namespace sluice::ctl
