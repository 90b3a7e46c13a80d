// The command line of sluice-bench: one subcommand a scenario, and the options of each.
#pragma once

namespace sluice::bench {

// Runs the scenario that was asked for; the exit code, 2 for a command line that means nothing.
int run_command_line(int argc, char** argv);

}  // namespace sluice::bench
