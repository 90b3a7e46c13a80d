// sluice-ctl: the operator's tool. Finds the command and leaves the rest to it.
#include <CLI/CLI.hpp>
#include <array>
#include <string>
#include <vector>

#include "ctl/commands.h"

namespace sluice::ctl {
namespace {

struct Command {
  const char* name;
  const char* summary;
  int (*run)(std::span<const std::string> args);
};

constexpr std::array kCommands{
    Command{"journal", "verify or dump a journal folder", journal_command},
    Command{"peers", "list the proxies on one Redis, or give one up for good", peers_command},
    Command{"schema", "print or apply the tables that the flusher needs", schema_command},
    Command{"reconcile", "compare Redis, the journals and MySQL; repair what the journal proves",
            reconcile_command},
};

int run(int argc, char** argv) {
  CLI::App app("Operator's tool of Sluice. `sluice-ctl COMMAND --help` tells more about a command.",
               "sluice-ctl");
  app.set_version_flag("--version", std::string("sluice-ctl ") + SLUICE_VERSION);
  app.require_subcommand(1);
  app.footer(
      "Exit codes: 0 done; 1 failed, or a difference found; 2 bad arguments; 3 damaged data.");
  for (const Command& command : kCommands) {
    // The command parses its own words, --help among them.
    app.add_subcommand(command.name, command.summary)->prefix_command()->set_help_flag();
  }
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : kBadArguments;
  }
  const CLI::App* chosen = app.get_subcommands().front();
  for (const Command& command : kCommands) {
    if (chosen->get_name() == command.name) return command.run(chosen->remaining());
  }
  return kBadArguments;
}

}  // namespace
}  // namespace sluice::ctl

int main(int argc, char** argv) { return sluice::ctl::run(argc, argv); }
