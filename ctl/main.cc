// sluice-ctl: the operator's tool. Finds the command and leaves the rest to it.
#include <array>
#include <span>
#include <string>

#include "base/command_line.h"
#include "ctl/commands.h"

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
    Command{"flush", "drain into MySQL what is waiting now", flush_command},
    Command{"pause", "stop selling (intake), or draining (flush)", pause_command},
    Command{"resume", "go on with it", resume_command},
    Command{"journal", "verify or dump a journal folder", journal_command},
    Command{"peers", "list the proxies on one Redis, or give one up for good", peers_command},
    Command{"schema", "print or apply the tables that the flusher needs", schema_command},
    Command{"dlq", "list, show, retry or drop the orders that MySQL refused", dlq_command},
    Command{"reconcile", "compare Redis, the journals and MySQL; repair what the journal proves",
            reconcile_command},
};

int run(int argc, char** argv) {
  base::CommandLine line(
      "Operator's tool of Sluice. `sluice-ctl COMMAND --help` tells more about a command.",
      "sluice-ctl");
  line.version_flag();
  line.footer(
      "Exit codes: 0 done; 1 failed, or a difference found; 2 bad arguments; 3 damaged data.");
  for (const Command& command : kCommands) {
    line.forwarding_command(command.name, command.summary, command.run);
  }
  return line.run(argc, argv);
}

}  // namespace
}  // namespace sluice::ctl

int main(int argc, char** argv) { return sluice::ctl::run(argc, argv); }
